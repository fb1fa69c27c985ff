;; Asks a host the owner has not granted.
;;! title = "a host that is not granted"
;;! stopped = ["value"]
;;! grants = ["http"]

(import "transom:app/http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "http://not-granted.example/")

(func (export "on-frame")
  (call $send (i32.const 0) (i32.const 1024) (i32.const 27)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
  ;; An error, and `denied`.
  (call $verdict (i32.and (i32.load8_u (i32.const 256)) (i32.eq (i32.load8_u (i32.const 260)) (i32.const 1)))))
