;; An allocator that gives the host an address outside of the memory.
;;! title = "an allocator that lies"
;;! stopped = ["trap", "host"]

(import "wasi:random/random" "get-random-bytes" (func $random (param i64 i32)))
(global $at (mut i32) (i32.const 4096))

(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (global.get $at))
(func (export "on-frame")
  (global.set $at (i32.const 0xfffffff0))
  (call $random (i64.const 64) (i32.const 256))
  (call $escaped))
