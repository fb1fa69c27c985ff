;; Sends 2 MiB to a granted host.
;;! title = "a request of 2 MiB"
;;! stopped = ["value", "limit:http_bytes"]
;;! grants = ["http"]
;;! server = "/"

(import "transom:app/http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (drop (memory.grow (i32.const 32)))
  (call $send (i32.const 2) (global.get $url_ptr) (global.get $url_len)
    (i32.const 0) (i32.const 0) (i32.const 65536) (i32.const 0x200000) (i32.const 256))
  ;; An error, and `too-large`.
  (call $verdict (i32.and (i32.load8_u (i32.const 256)) (i32.eq (i32.load8_u (i32.const 260)) (i32.const 2)))))
