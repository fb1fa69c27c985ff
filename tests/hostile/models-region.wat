;; Asks a model about regions beside the picture, of negative size, and that are no numbers.
;;! title = "regions that are none, of a model"
;;! stopped = ["value"]
;;! grants = ["models"]

(import "transom:app/models" "[static]model.open" (func $open (param i32 i32 i32)))
(import "transom:app/models" "[method]model.detect"
  (func $detect (param i32 i32 i32 f32 f32 f32 f32 i32 f32 i32)))
(data (i32.const 1024) "person")

(func $is-refused (param $l f32) (param $t f32) (param $w f32) (param $h f32) (result i32)
  (call $detect (i32.load (i32.const 260)) (global.get $frame)
    (i32.const 1) (local.get $l) (local.get $t) (local.get $w) (local.get $h)
    (i32.const 0) (f32.const 0) (i32.const 272))
  ;; An error, and `bad-region`.
  (i32.and (i32.load8_u (i32.const 272)) (i32.eq (i32.load8_u (i32.const 276)) (i32.const 2))))
(func (export "on-frame")
  (call $open (i32.const 1024) (i32.const 6) (i32.const 256))
  (call $verdict (i32.and
    (i32.and
      (call $is-refused (f32.const 3e38) (f32.const -3e38) (f32.const 1) (f32.const 1))
      (call $is-refused (f32.const 0.5) (f32.const 0.5) (f32.const -0.4) (f32.const -0.4)))
    (call $is-refused (f32.const nan) (f32.const 0) (f32.const inf) (f32.const 1)))))
