;; Draws from one end of the numbers to the other, which a painter that walks along the line would never finish.
;;! title = "marks of 10^38 pictures' length"
;;! stopped = ["cut", "limit:marks"]

(import "transom:app/marks" "line" (func $line (param f32 f32 f32 f32 i32 i32 i32)))
(import "transom:app/marks" "box" (func $box (param f32 f32 f32 f32 i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (call $line (f32.const -3e38) (f32.const -3e38) (f32.const 3e38) (f32.const 3e38)
    (i32.const 255) (i32.const 0) (i32.const 0))
  (call $box (f32.const -3e38) (f32.const -3e38) (f32.const 3e38) (f32.const 3e38)
    (i32.const 0) (i32.const 0) (i32.const 255) (i32.const 0) (i32.const 0)))
