;; Answers with the seventh of two cases.
;;! title = "an answer that is no case of its type"
;;! stopped = ["trap"]

(func (export "transom:app/lifecycle@0.1.0#on-frame") (param $lent i32) (param i32 i32 i64 i64 i32 i32) (result i32)
  (call $drop-frame (local.get $lent))
  (i32.store (i32.const 256) (i32.const 7))
  (i32.const 256))
