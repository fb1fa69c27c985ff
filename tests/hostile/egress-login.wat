;; Asks a host that is not granted, with the granted one's name where a login goes.
;;! title = "a host behind a login that looks granted"
;;! stopped = ["value"]
;;! grants = ["http"]

(import "transom:app/http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "http://granted.example@127.0.0.1/")

(func (export "on-frame")
  (call $send (i32.const 0) (i32.const 1024) (i32.const 33)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
  ;; An error, and `bad-request`.
  (call $verdict (i32.and (i32.load8_u (i32.const 256)) (i32.eqz (i32.load8_u (i32.const 260))))))
