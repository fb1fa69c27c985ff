;; Writes a log line that is no UTF-8.
;;! title = "a log line that is no text"
;;! stopped = ["trap", "host"]

(import "transom:app/log" "write" (func $write (param i32 i32 i32)))
(data (i32.const 1024) "\ff\fe\c0\80")

(func (export "on-frame")
  (call $write (i32.const 2) (i32.const 1024) (i32.const 4))
  (call $escaped))
