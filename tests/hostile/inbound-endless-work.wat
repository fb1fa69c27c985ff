;; Takes a request and never answers.
;;! title = "a request it never answers"
;;! stopped = ["deadline"]
;;! grants = ["port"]
;;! world = "plugin-http"

(func (export "handle") (param $request i32) (param $answer i32)
  (loop $again (br $again)))
