;; An allocator that calls the host while the host is handing over a value.
;;! title = "an allocator that calls the host"
;;! stopped = ["trap", "host"]

(import "wasi:random/random" "get-random-bytes" (func $random (param i64 i32)))
(global $armed (mut i32) (i32.const 0))

(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (if (global.get $armed) (then (call $escaped)))
  (i32.const 4096))
(func (export "on-frame")
  (global.set $armed (i32.const 1))
  (call $random (i64.const 16) (i32.const 256)))
