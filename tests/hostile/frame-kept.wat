;; Keeps the frame it was lent, to read it during a later call.
;;! title = "keeps a frame beyond its call"
;;! stopped = ["trap", "host"]
;;! grants = ["jpeg"]

(import "transom:app/frames" "[method]frame.jpeg" (func $jpeg (param i32 i32 f32 f32 f32 f32 i32 i32 i32)))
(global $kept (mut i32) (i32.const 0))

(func (export "on-frame")
  (if (global.get $kept)
    (then
      (call $jpeg (global.get $kept)
        (i32.const 0) (f32.const 0) (f32.const 0) (f32.const 0) (f32.const 0)
        (i32.const 0) (i32.const 50) (i32.const 256))
      (call $escaped))
    (else
      (global.set $kept (global.get $frame))
      ;; So that nobody drops it at the end of the call.
      (global.set $frame (i32.const 0)))))
