;; Reads a frame with an option that is neither there nor not.
;;! title = "an option out of range"
;;! stopped = ["trap", "host"]
;;! grants = ["pixels"]

(import "transom:app/frames" "[method]frame.read"
  (func $read (param i32 i32 f32 f32 f32 f32 i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (call $read (global.get $frame)
    (i32.const 9) (f32.const 0) (f32.const 0) (f32.const 1) (f32.const 1)
    (i32.const 16) (i32.const 16) (i32.const 0) (i32.const 0) (i32.const 256))
  (call $escaped))
