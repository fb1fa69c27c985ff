;; Asks a granted host 2,000 times, or as often as it may.
;;! title = "a flood of requests"
;;! stopped = ["limit:http_requests"]
;;! grants = ["http"]
;;! server = "/"

(import "transom:app/http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (local $left i32)
  (local.set $left (i32.const 2000))
  (loop $next
    ;; Answers are thrown away; the url lies before them.
    (global.set $heap (i32.const 131072))
    (call $send (i32.const 0) (global.get $url_ptr) (global.get $url_len)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
    (if (i32.load8_u (i32.const 256)) (then (return)))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $escaped))
