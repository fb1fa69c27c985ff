;; Answers with an error text said to be 1 GiB long.
;;! title = "an error of 1 GiB that is not there"
;;! stopped = ["trap"]

(func (export "transom:app/lifecycle@0.1.0#on-frame") (param $lent i32) (param i32 i32 i64 i64 i32 i32) (result i32)
  (call $drop-frame (local.get $lent))
  (i32.store (i32.const 256) (i32.const 1))
  (i32.store (i32.const 260) (i32.const 1024))
  (i32.store (i32.const 264) (i32.const 0x40000000))
  (i32.const 256))
