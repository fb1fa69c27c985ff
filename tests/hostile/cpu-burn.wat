;; Computes on every frame for as long as it may, and never longer.
;;! title = "burns the processor within its deadline"
;;! stopped = ["limit:cpu"]

(import "wasi:clocks/monotonic-clock" "now" (func $now (result i64)))

(func (export "on-frame")
  (local $end i64)
  ;; 35 ms of the 50 it has.
  (local.set $end (i64.add (call $now) (i64.const 35000000)))
  (loop $again
    (br_if $again (i64.lt_u (call $now) (local.get $end)))))
