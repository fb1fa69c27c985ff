;; Asks for pixels beside the picture, of a region of negative size, and of one that is no number.
;;! title = "regions that are none, of a frame"
;;! stopped = ["value"]
;;! grants = ["pixels"]

(import "transom:app/frames" "[method]frame.read"
  (func $read (param i32 i32 f32 f32 f32 f32 i32 i32 i32 i32 i32)))

(func $is-refused (param $l f32) (param $t f32) (param $w f32) (param $h f32) (result i32)
  (call $read (global.get $frame)
    (i32.const 1) (local.get $l) (local.get $t) (local.get $w) (local.get $h)
    (i32.const 16) (i32.const 16) (i32.const 0) (i32.const 0) (i32.const 256))
  ;; An error, and `bad-region`.
  (i32.and (i32.load8_u (i32.const 256)) (i32.eqz (i32.load8_u (i32.const 260)))))
(func (export "on-frame")
  (call $verdict (i32.and
    (i32.and
      (call $is-refused (f32.const 3e38) (f32.const -3e38) (f32.const 1) (f32.const 1))
      (call $is-refused (f32.const 0.5) (f32.const 0.5) (f32.const -0.4) (f32.const -0.4)))
    (call $is-refused (f32.const nan) (f32.const 0) (f32.const inf) (f32.const 1)))))
