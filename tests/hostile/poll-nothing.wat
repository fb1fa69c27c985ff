;; Waits for nothing, which would never come.
;;! title = "waits for nothing at all"
;;! stopped = ["trap", "host"]

(import "wasi:io/poll" "poll" (func $poll (param i32 i32 i32)))

(func (export "on-frame")
  (call $poll (i32.const 65536) (i32.const 0) (i32.const 256))
  (call $escaped))
