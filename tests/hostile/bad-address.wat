;; Has the host write its answer outside of the memory.
;;! title = "an answer to outside of the memory"
;;! stopped = ["trap", "host"]

(func (export "on-frame")
  (call $publish (i32.const 142) (i32.const 7) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0xfffffff8))
  (call $escaped))
