;; Publishes events of 200 KiB, 400 of them, or as many as are taken.
;;! title = "a flood of large events"
;;! stopped = ["limit:event_bytes"]

(data (i32.const 1024) "large")
(func (export "configure")
  (local $left i32)
  (drop (memory.grow (i32.const 8)))
  ;; {"a":"aaa…"}
  (memory.fill (i32.const 0x40000) (i32.const 0x61) (i32.const 0x32000))
  (i64.store (i32.const 0x3fffa) (i64.const 0x6161223a2261227b))
  (i32.store16 (i32.const 0x72000) (i32.const 0x7d22))
  (local.set $left (i32.const 400))
  (loop $next
    (call $publish (i32.const 1024) (i32.const 5) (i32.const 0x3fffa) (i32.const 0x32008)
      (i32.const 0) (i32.const 0) (i32.const 256))
    (if (i32.load8_u (i32.const 256)) (then (return)))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $escaped))
