;; Makes 1,000,000 alarms and keeps them all.
;;! title = "makes a million pollables"
;;! stopped = ["trap", "host", "limit:handles"]

(import "wasi:clocks/monotonic-clock" "subscribe-duration" (func $alarm (param i64) (result i32)))

(func (export "configure")
  (local $left i32)
  (local.set $left (i32.const 1000000))
  (loop $next
    (drop (call $alarm (i64.const 1000000000)))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $escaped))
