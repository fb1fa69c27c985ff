;; Asks a detector for classes, with a threshold that is none, and for a model that is not there.
;;! title = "asks models what they cannot answer"
;;! stopped = ["value"]
;;! grants = ["models"]

(import "transom:app/models" "[static]model.open" (func $open (param i32 i32 i32)))
(import "transom:app/models" "[method]model.classify" (func $classify (param i32 i32 i32 f32 f32 f32 f32 i32 i32)))
(import "transom:app/models" "[method]model.detect"
  (func $detect (param i32 i32 i32 f32 f32 f32 f32 i32 f32 i32)))
(data (i32.const 1024) "person../../etc/passwd")

(func $is-refused (param $case i32) (result i32)
  (i32.and (i32.load8_u (i32.const 272)) (i32.eq (i32.load8_u (i32.const 276)) (local.get $case))))
(func $detects (param $min-score f32)
  (call $detect (i32.load (i32.const 260)) (global.get $frame) (i32.const 0) (f32.const 0) (f32.const 0) (f32.const 0)
    (f32.const 0) (i32.const 1) (local.get $min-score) (i32.const 272)))
(func (export "on-frame")
  (local $refused i32)
  (call $open (i32.const 1024) (i32.const 6) (i32.const 256))
  (call $open (i32.const 1024) (i32.const 22) (i32.const 272))
  (local.set $refused (call $is-refused (i32.const 0)))
  (call $classify (i32.load (i32.const 260)) (global.get $frame) (i32.const 0) (f32.const 0) (f32.const 0)
    (f32.const 0) (f32.const 0) (i32.const 0xffffffff) (i32.const 272))
  (local.set $refused (i32.and (local.get $refused) (call $is-refused (i32.const 1))))
  (call $detects (f32.const 7))
  (local.set $refused (i32.and (local.get $refused) (call $is-refused (i32.const 3))))
  (call $detects (f32.const nan))
  (call $verdict (i32.and (local.get $refused) (call $is-refused (i32.const 3)))))
