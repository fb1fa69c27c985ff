;; Sleeps for a year. Where it is woken early, it lies down again.
;;! title = "sleeps for a year"
;;! stopped = ["deadline"]

(import "wasi:clocks/monotonic-clock" "subscribe-duration" (func $alarm (param i64) (result i32)))
(import "wasi:io/poll" "[method]pollable.block" (func $block (param i32)))

(func (export "on-frame")
  (local $alarm i32)
  (local.set $alarm (call $alarm (i64.const 31557600000000000)))
  (loop $again
    (call $block (local.get $alarm))
    (br $again)))
