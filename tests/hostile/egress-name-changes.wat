;; Asks a granted name again and again; it leads to a granted address first and to the box itself later, so that one
;; lookup is checked and another is used. What listens there answers with a `!`.
;;! title = "a granted name that changes its mind"
;;! stopped = ["value"]
;;! grants = ["http"]
;;! server = "dns:granted,127.0.0.1"

(import "transom:app/http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (local $left i32)
  (local.set $left (i32.const 4))
  (loop $next
    (call $send (i32.const 0) (global.get $url_ptr) (global.get $url_len)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
    (if (i32.load8_u (i32.const 256))
      (then (call $verdict (i32.eq (i32.load8_u (i32.const 260)) (i32.const 1))) (return)))
    ;; The length of the body is at 20 of the answer, and the body where 16 says.
    (if (i32.load (i32.const 276))
      (then (if (i32.eq (i32.load8_u (i32.load (i32.const 272))) (i32.const 33)) (then (call $escaped) (return)))))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $escaped))
