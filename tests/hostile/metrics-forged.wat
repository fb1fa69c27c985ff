;; Sets metrics whose names hold a line break or quotes, and values that are no numbers.
;;! title = "metrics that forge lines"
;;! stopped = ["dropped:metrics"]

(import "transom:app/metrics" "set" (func $set (param i32 i32 f64)))
(data (i32.const 1024) "a{b=\"c\"} 1\0ad")

(func (export "on-frame")
  (call $set (i32.const 1024) (i32.const 12) (f64.const 1))
  (call $set (i32.const 142) (i32.const 7) (f64.const nan))
  (call $set (i32.const 142) (i32.const 7) (f64.const -inf)))
