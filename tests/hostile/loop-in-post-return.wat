;; An endless loop in the function that cleans up behind an answer, when `on-frame` has long returned.
;;! title = "an endless loop behind the answer"
;;! stopped = ["deadline"]

(func (export "cabi_post_transom:app/lifecycle@0.1.0#on-frame") (param i32)
  (loop $again (br $again)))
