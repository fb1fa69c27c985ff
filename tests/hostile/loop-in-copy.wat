;; Copies one half of a large memory over the other again and again.
;;! title = "an endless loop of memory.copy"
;;! stopped = ["deadline"]

(func (export "on-frame")
  (local $half i32)
  (drop (memory.grow (i32.const 512)))
  (local.set $half (i32.mul (memory.size) (i32.const 32768)))
  (loop $again
    (memory.copy (i32.const 1024) (local.get $half) (i32.sub (local.get $half) (i32.const 1024)))
    (br $again)))
