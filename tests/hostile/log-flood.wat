;; Writes 5,000 lines in one call.
;;! title = "a flood of log lines"
;;! stopped = ["limit:log_lines"]

(import "transom:app/log" "write" (func $write (param i32 i32 i32)))

(func (export "configure")
  (local $left i32)
  (local.set $left (i32.const 5000))
  (loop $next
    (call $write (i32.const 0) (i32.const 142) (i32.const 7))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
