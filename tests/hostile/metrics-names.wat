;; Sets 10,000 metrics, each of another name.
;;! title = "a metric of ever new names"
;;! stopped = ["limit:metrics"]

(import "transom:app/metrics" "set" (func $set (param i32 i32 f64)))
(data (i32.const 1024) "name_0000")

(func (export "configure")
  (local $number i32)
  (loop $next
    (i32.store8 (i32.const 1029) (i32.add (i32.const 48) (i32.div_u (local.get $number) (i32.const 1000))))
    (i32.store8 (i32.const 1030)
      (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $number) (i32.const 100)) (i32.const 10))))
    (i32.store8 (i32.const 1031)
      (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $number) (i32.const 10)) (i32.const 10))))
    (i32.store8 (i32.const 1032) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
    (call $set (i32.const 1024) (i32.const 9) (f64.const 1))
    (br_if $next
      (i32.lt_u (local.tee $number (i32.add (local.get $number) (i32.const 1))) (i32.const 10000)))))
