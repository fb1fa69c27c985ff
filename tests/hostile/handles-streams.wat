;; Asks for its standard output 1,000,000 times and keeps every stream.
;;! title = "opens a million output streams"
;;! stopped = ["trap", "host", "limit:handles"]

(import "wasi:cli/stdout" "get-stdout" (func $stdout (result i32)))

(func (export "configure")
  (local $left i32)
  (local.set $left (i32.const 1000000))
  (loop $next
    (drop (call $stdout))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $escaped))
