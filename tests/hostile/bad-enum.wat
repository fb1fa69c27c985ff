;; Writes a log line of level 200; there are four.
;;! title = "an enum out of range"
;;! stopped = ["trap", "host"]

(import "transom:app/log" "write" (func $write (param i32 i32 i32)))

(func (export "on-frame")
  (call $write (i32.const 200) (i32.const 142) (i32.const 7))
  (call $escaped))
