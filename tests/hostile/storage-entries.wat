;; Stores one byte under one new key after the other, on and on.
;;! title = "fills the storage, with keys"
;;! stopped = ["value", "limit:storage_entries"]
;;! grants = ["storage"]

(import "transom:app/storage" "put" (func $put (param i32 i32 i32 i32 i32)))
(global $number (mut i64) (i64.const 0))

(func (export "on-frame")
  (local $left i32)
  (local.set $left (i32.const 8))
  (loop $next
    ;; Eight letters, `a` and the fifteen behind it.
    (i64.store (i32.const 1024) (i64.add (global.get $number) (i64.const 0x6161616161616161)))
    (call $put (i32.const 1024) (i32.const 8) (i32.const 128) (i32.const 1) (i32.const 256))
    (if (i32.load8_u (i32.const 256))
      (then
        ;; `busy` is for a later frame, `quota` is what is tried for.
        (if (i32.eq (i32.load8_u (i32.const 260)) (i32.const 2)) (then (return)))
        (call $verdict (i32.eq (i32.load8_u (i32.const 260)) (i32.const 1)))
        (return)))
    (call $count)
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
(func $count
  (global.set $number (i64.and
    (i64.add (i64.or (global.get $number) (i64.const 0xf0f0f0f0f0f0f0f0)) (i64.const 1))
    (i64.const 0x0f0f0f0f0f0f0f0f))))
