;; Opens the same model 200,000 times and closes none.
;;! title = "opens a model 200,000 times"
;;! stopped = ["trap", "host", "limit:handles"]
;;! grants = ["models"]

(import "transom:app/models" "[static]model.open" (func $open (param i32 i32 i32)))
(data (i32.const 1024) "person")

(func (export "configure")
  (local $left i32)
  (local.set $left (i32.const 200000))
  (loop $next
    (call $open (i32.const 1024) (i32.const 6) (i32.const 256))
    ;; There is a model of that name: an error is none of those that are tried for.
    (if (i32.load8_u (i32.const 256)) (then (call $escaped) (return)))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $escaped))
