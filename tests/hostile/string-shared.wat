;; Publishes 2,000 detections that all name the same label of 1 MiB: 1 MiB of memory here, 2 GiB in the host.
;;! title = "a small event that unfolds to 2 GiB"
;;! stopped = ["trap", "host", "limit:call_bytes"]

(func (export "on-frame")
  (local $at i32)
  (drop (memory.grow (i32.const 18)))
  (memory.fill (i32.const 0x20000) (i32.const 0x61) (i32.const 0x100000))
  (loop $next
    ;; A detection takes 36 bytes and begins with its label.
    (i32.store offset=0x3000 (local.get $at) (i32.const 0x20000))
    (i32.store offset=0x3004 (local.get $at) (i32.const 0x100000))
    (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 36))) (i32.const 72000))))
  (call $publish (i32.const 142) (i32.const 7) (i32.const 0) (i32.const 0)
    (i32.const 0x3000) (i32.const 2000) (i32.const 256))
  (call $escaped))
