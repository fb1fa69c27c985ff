;; Draws a box that is no number, a line to infinity and an outline of 50,000 points.
;;! title = "marks that are no numbers"
;;! stopped = ["dropped:marks"]

(import "transom:app/marks" "box" (func $box (param f32 f32 f32 f32 i32 i32 i32 i32 i32)))
(import "transom:app/marks" "line" (func $line (param f32 f32 f32 f32 i32 i32 i32)))
(import "transom:app/marks" "polygon" (func $polygon (param i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (call $box (f32.const nan) (f32.const 0) (f32.const 1) (f32.const 1)
    (i32.const 0) (i32.const 0) (i32.const 255) (i32.const 0) (i32.const 0))
  (call $line (f32.const 0) (f32.const 0) (f32.const inf) (f32.const -inf)
    (i32.const 255) (i32.const 0) (i32.const 0))
  (drop (memory.grow (i32.const 8)))
  (call $polygon (i32.const 65536) (i32.const 50000) (i32.const 255) (i32.const 0) (i32.const 0)))
