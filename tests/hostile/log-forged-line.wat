;; Writes a log line that holds a line break, a line in another's name, and codes that steer a terminal.
;;! title = "a log line that forges others"
;;! stopped = ["cut"]

(import "transom:app/log" "write" (func $write (param i32 i32 i32)))
(data (i32.const 1024) "all is well\0d\0aerror: the box is on fire\1b[2J\1b]0;owned\07")

(func (export "on-frame")
  (call $write (i32.const 2) (i32.const 1024) (i32.const 52)))
