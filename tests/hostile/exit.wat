;; Ends the process, as a program does that has done its work.
;;! title = "exits the process"
;;! stopped = ["trap", "host"]

(import "wasi:cli/exit" "exit" (func $exit (param i32)))

(func (export "on-frame")
  (call $exit (i32.const 0))
  (call $escaped))
