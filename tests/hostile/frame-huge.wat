;; Asks for a picture of 65,535 x 65,535 pixels, and for a JPEG as wide.
;;! title = "asks for 12 GiB of pixels"
;;! stopped = ["value"]
;;! grants = ["pixels", "jpeg"]

(import "transom:app/frames" "[method]frame.read"
  (func $read (param i32 i32 f32 f32 f32 f32 i32 i32 i32 i32 i32)))
(import "transom:app/frames" "[method]frame.jpeg" (func $jpeg (param i32 i32 f32 f32 f32 f32 i32 i32 i32)))

(func (export "on-frame")
  (call $read (global.get $frame)
    (i32.const 0) (f32.const 0) (f32.const 0) (f32.const 0) (f32.const 0)
    (i32.const 65535) (i32.const 65535) (i32.const 0) (i32.const 0) (i32.const 256))
  (call $jpeg (global.get $frame)
    (i32.const 0) (f32.const 0) (f32.const 0) (f32.const 0) (f32.const 0)
    (i32.const 65535) (i32.const 50) (i32.const 272))
  ;; Both are errors, and both `bad-shape`.
  (call $verdict (i32.and
    (i32.and (i32.load8_u (i32.const 256)) (i32.eq (i32.load8_u (i32.const 260)) (i32.const 1)))
    (i32.and (i32.load8_u (i32.const 272)) (i32.eq (i32.load8_u (i32.const 276)) (i32.const 1))))))
