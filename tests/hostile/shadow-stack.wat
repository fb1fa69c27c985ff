;; Lets the stack a compiler keeps in memory grow down past address 0, as deep recursion in C does.
;;! title = "a stack that runs below address 0"
;;! stopped = ["trap"]

(global $stack (mut i32) (i32.const 65536))
(func $frame-of-a-call (param $depth i32)
  (global.set $stack (i32.sub (global.get $stack) (i32.const 4096)))
  (i32.store (global.get $stack) (i32.const 0))
  (if (local.get $depth) (then (call $frame-of-a-call (i32.sub (local.get $depth) (i32.const 1))))))
(func (export "on-frame")
  (call $frame-of-a-call (i32.const 32))
  (call $escaped))
