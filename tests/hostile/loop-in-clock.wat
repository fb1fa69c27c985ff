;; Reads the clock until a year has passed.
;;! title = "waits a year, reading the clock"
;;! stopped = ["deadline"]

(import "wasi:clocks/monotonic-clock" "now" (func $now (result i64)))

(func (export "on-frame")
  (local $until i64)
  (local.set $until (i64.add (call $now) (i64.const 31557600000000000)))
  (loop $again
    (br_if $again (i64.lt_u (call $now) (local.get $until))))
  (call $escaped))
