;; Drops the frame and reads it.
;;! title = "reads a frame it has dropped"
;;! stopped = ["trap", "host"]
;;! grants = ["jpeg"]

(import "transom:app/frames" "[method]frame.jpeg" (func $jpeg (param i32 i32 f32 f32 f32 f32 i32 i32 i32)))

(func (export "on-frame")
  (call $drop-frame (global.get $frame))
  (call $jpeg (global.get $frame)
    (i32.const 0) (f32.const 0) (f32.const 0) (f32.const 0) (f32.const 0) (i32.const 0) (i32.const 50) (i32.const 256))
  (call $escaped))
