;; Asks a granted host that sends it on to one that is not.
;;! title = "a redirect to a host not granted"
;;! stopped = ["value"]
;;! grants = ["http"]
;;! server = "/redirect"

(import "transom:app/http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (call $send (i32.const 0) (global.get $url_ptr) (global.get $url_len)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
  ;; An error, and `denied`.
  (call $verdict (i32.and (i32.load8_u (i32.const 256)) (i32.eq (i32.load8_u (i32.const 260)) (i32.const 1)))))
