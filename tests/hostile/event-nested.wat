;; Publishes JSON nested 30,000 deep, on which a parser that calls itself runs out of stack. Whoever
;; reads the events would meet it.
;;! title = "an event nested 30,000 deep"
;;! stopped = ["dropped:events"]

(data (i32.const 1024) "nested")
(data (i32.const 2048) "{\"a\":")
(func (export "on-frame")
  (drop (memory.grow (i32.const 1)))
  (memory.fill (i32.const 2053) (i32.const 0x5b) (i32.const 30000))
  (memory.fill (i32.const 32053) (i32.const 0x5d) (i32.const 30000))
  (i32.store8 (i32.const 62053) (i32.const 0x7d))
  (call $publish (i32.const 1024) (i32.const 6) (i32.const 2048) (i32.const 60006)
    (i32.const 0) (i32.const 0) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $stopped))))
