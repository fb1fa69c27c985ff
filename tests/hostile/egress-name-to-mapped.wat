;; Asks a granted name that leads to the box itself, as an IPv4 address wrapped in an IPv6 one.
;;! title = "a granted name that is a mapped address"
;;! stopped = ["value"]
;;! grants = ["http"]
;;! server = "dns:::ffff:127.0.0.1"

(import "transom:app/http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (call $send (i32.const 0) (global.get $url_ptr) (global.get $url_len)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
  ;; An error, and `denied`.
  (call $verdict (i32.and (i32.load8_u (i32.const 256)) (i32.eq (i32.load8_u (i32.const 260)) (i32.const 1)))))
