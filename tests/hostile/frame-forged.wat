;; Reads a frame by a number nobody gave it.
;;! title = "reads a frame it was not given"
;;! stopped = ["trap", "host"]
;;! grants = ["jpeg"]

(import "transom:app/frames" "[method]frame.jpeg" (func $jpeg (param i32 i32 f32 f32 f32 f32 i32 i32 i32)))

(func (export "on-frame")
  (call $jpeg (i32.add (global.get $frame) (i32.const 1))
    (i32.const 0) (f32.const 0) (f32.const 0) (f32.const 0) (f32.const 0) (i32.const 0) (i32.const 50) (i32.const 256))
  (call $escaped))
