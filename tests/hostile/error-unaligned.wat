;; Answers with an address no answer may have.
;;! title = "an answer that is not aligned"
;;! stopped = ["trap"]

(func (export "transom:app/lifecycle@0.1.0#on-frame") (param $lent i32) (param i32 i32 i64 i64 i32 i32) (result i32)
  (call $drop-frame (local.get $lent))
  (i32.const 257))
