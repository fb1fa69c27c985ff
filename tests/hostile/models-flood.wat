;; Asks for 5,000 inferences on one frame, each of another region, or for as many as are answered.
;;! title = "a flood of inferences"
;;! stopped = ["limit:inferences"]
;;! grants = ["models"]

(import "transom:app/models" "[static]model.open" (func $open (param i32 i32 i32)))
(import "transom:app/models" "[method]model.infer" (func $infer (param i32 i32 i32 f32 f32 f32 f32 i32)))
(data (i32.const 1024) "person")

(func (export "on-frame")
  (local $number i32)
  (call $open (i32.const 1024) (i32.const 6) (i32.const 256))
  (loop $next
    ;; What is answered is thrown away.
    (global.set $heap (i32.const 65536))
    (call $infer (i32.load (i32.const 260)) (global.get $frame)
      (i32.const 1) (f32.mul (f32.convert_i32_u (local.get $number)) (f32.const 0.0001)) (f32.const 0)
      (f32.const 0.4) (f32.const 0.4) (i32.const 272))
    (if (i32.load8_u (i32.const 272)) (then (return)))
    (br_if $next (i32.lt_u (local.tee $number (i32.add (local.get $number) (i32.const 1))) (i32.const 5000))))
  (call $escaped))
