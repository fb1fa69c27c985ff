;; Publishes one event of 1 MiB.
;;! title = "an event of 1 MiB"
;;! stopped = ["value"]

(data (i32.const 1024) "large")
(func (export "on-frame")
  (drop (memory.grow (i32.const 32)))
  ;; {"a":"aaa…"}
  (memory.fill (i32.const 0x20000) (i32.const 0x61) (i32.const 0x100000))
  (i64.store (i32.const 0x1fffa) (i64.const 0x6161223a2261227b))
  (i32.store16 (i32.const 0x120000) (i32.const 0x7d22))
  (call $publish (i32.const 1024) (i32.const 5) (i32.const 0x1fffa) (i32.const 0x100008)
    (i32.const 0) (i32.const 0) (i32.const 256))
  ;; An error, and `too-large`.
  (call $verdict (i32.and (i32.load8_u (i32.const 256)) (i32.eq (i32.load8_u (i32.const 260)) (i32.const 3)))))
