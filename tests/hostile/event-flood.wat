;; Publishes 100,000 events, or as many as are taken.
;;! title = "a flood of events"
;;! stopped = ["limit:events"]

(func (export "configure")
  (local $left i32)
  (local.set $left (i32.const 100000))
  (loop $next
    (call $publish (i32.const 142) (i32.const 7)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
    (if (i32.load8_u (i32.const 256)) (then (return)))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $escaped))
