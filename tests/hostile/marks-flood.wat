;; Draws 40,000 boxes on one frame.
;;! title = "a flood of marks"
;;! stopped = ["limit:marks"]

(import "transom:app/marks" "box" (func $box (param f32 f32 f32 f32 i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (local $left i32)
  (local.set $left (i32.const 40000))
  (loop $next
    (call $box (f32.const 0) (f32.const 0) (f32.const 1) (f32.const 1)
      (i32.const 0) (i32.const 0) (i32.const 255) (i32.const 0) (i32.const 0))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
