;; Publishes an event with a list of 4,294,967,295 detections, whose size in bytes overflows.
;;! title = "a list longer than all memory"
;;! stopped = ["trap", "host"]

(func (export "on-frame")
  (call $publish (i32.const 142) (i32.const 7) (i32.const 0) (i32.const 0)
    (i32.const 1024) (i32.const 0xffffffff) (i32.const 256))
  (call $escaped))
