;; Sleeps for a year in `configure`, to the end of all time by the clock.
;;! title = "sleeps for a year in configure"
;;! stopped = ["deadline"]

(import "wasi:clocks/monotonic-clock" "subscribe-instant" (func $alarm (param i64) (result i32)))
(import "wasi:io/poll" "poll" (func $poll (param i32 i32 i32)))

(func (export "configure")
  (i32.store (i32.const 1024) (call $alarm (i64.const -1)))
  (loop $again
    (call $poll (i32.const 1024) (i32.const 1) (i32.const 256))
    (br $again)))
