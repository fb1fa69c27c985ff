;; Asks the address at which clouds hand out a machine's credentials.
;;! title = "a cloud's metadata address"
;;! stopped = ["value"]
;;! grants = ["http"]

(import "transom:app/http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "http://169.254.169.254/latest/meta-data/")

(func (export "on-frame")
  (call $send (i32.const 0) (i32.const 1024) (i32.const 40)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
  ;; An error, and `denied`.
  (call $verdict (i32.and (i32.load8_u (i32.const 256)) (i32.eq (i32.load8_u (i32.const 260)) (i32.const 1)))))
