;; Calls itself without end.
;;! title = "endless recursion"
;;! stopped = ["trap"]

(func $deeper (param $depth i64) (result i64)
  (i64.add (call $deeper (i64.add (local.get $depth) (i64.const 1))) (i64.const 1)))
(func (export "on-frame")
  (drop (call $deeper (i64.const 0)))
  (call $escaped))
