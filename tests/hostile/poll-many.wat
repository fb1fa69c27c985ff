;; Waits for 100,000 pollables at once, again and again.
;;! title = "waits for 100,000 pollables"
;;! stopped = ["deadline", "trap", "host", "limit:handles"]

(import "wasi:clocks/monotonic-clock" "subscribe-duration" (func $alarm (param i64) (result i32)))
(import "wasi:io/poll" "poll" (func $poll (param i32 i32 i32)))

(func (export "on-frame")
  (local $alarm i32) (local $at i32)
  (drop (memory.grow (i32.const 16)))
  (local.set $alarm (call $alarm (i64.const 0)))
  (local.set $at (i32.const 65536))
  (loop $next
    (i32.store (local.get $at) (local.get $alarm))
    (br_if $next
      (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 465536))))
  (loop $again
    ;; The list of those that are ready is put behind it, each time in the same place.
    (global.set $heap (i32.const 0x80000))
    (call $poll (i32.const 65536) (i32.const 100000) (i32.const 256))
    (br $again)))
