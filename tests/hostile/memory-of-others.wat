;; Looks for what an earlier life, or another plugin, left in memory that is given out again.
;;! title = "reads what others left in memory"
;;! stopped = ["trap"]

(func (export "configure")
  (local $at i32) (local $end i32)
  (drop (memory.grow (i32.const 128)))
  (local.set $end (i32.mul (memory.size) (i32.const 65536)))
  ;; The first 1,088 KiB hold what this life was handed.
  (local.set $at (i32.const 1114112))
  (loop $next
    (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (call $escaped) (return)))
    (i64.store (local.get $at) (i64.const 0x6d61726b65726d61))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))
(func (export "on-frame")
  (unreachable))
