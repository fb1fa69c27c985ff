;; An endless loop in the allocator, while the host hands over a value.
;;! title = "an endless loop in the allocator"
;;! stopped = ["deadline"]

(import "wasi:random/random" "get-random-bytes" (func $random (param i64 i32)))
(global $armed (mut i32) (i32.const 0))

(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (loop $again (br_if $again (global.get $armed)))
  (i32.const 4096))
(func (export "on-frame")
  (global.set $armed (i32.const 1))
  (call $random (i64.const 16) (i32.const 256))
  (call $escaped))
