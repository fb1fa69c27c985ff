;; Asks for a file by URL.
;;! title = "a URL of a file"
;;! stopped = ["value"]
;;! grants = ["http"]

(import "transom:app/http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "file:///etc/passwd")

(func (export "on-frame")
  (call $send (i32.const 0) (i32.const 1024) (i32.const 18)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
  ;; An error, and `bad-request`.
  (call $verdict (i32.and (i32.load8_u (i32.const 256)) (i32.eqz (i32.load8_u (i32.const 260))))))
