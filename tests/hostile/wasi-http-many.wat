;; Sends 64 requests to a granted host that answers slowly, and waits for none.
;;! title = "64 requests at once"
;;! stopped = ["limit:http_concurrent", "limit:http_requests"]
;;! grants = ["http"]
;;! server = "/slow"

(import "wasi:http/types" "[constructor]fields" (func $fields (result i32)))
(import "wasi:http/types" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
(import "wasi:http/types" "[method]outgoing-request.set-scheme"
  (func $set-scheme (param i32 i32 i32 i32 i32) (result i32)))
(import "wasi:http/types" "[method]outgoing-request.set-authority"
  (func $set-authority (param i32 i32 i32 i32) (result i32)))
(import "wasi:http/types" "[method]outgoing-request.set-path-with-query"
  (func $set-path (param i32 i32 i32 i32) (result i32)))
(import "wasi:http/outgoing-handler" "handle" (func $handle-out (param i32 i32 i32 i32)))

(func (export "on-frame")
  (local $left i32) (local $it i32) (local $host i32) (local $path i32)
  ;; Behind `http://`, and to the next `/`.
  (local.set $path (local.tee $host (i32.add (global.get $url_ptr) (i32.const 7))))
  (loop $next
    (local.set $path (i32.add (local.get $path) (i32.const 1)))
    (br_if $next (i32.ne (i32.load8_u (local.get $path)) (i32.const 47))))
  (local.set $left (i32.const 64))
  (loop $next
    (local.set $it (call $request (call $fields)))
    (drop (call $set-scheme (local.get $it) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
    (drop (call $set-authority (local.get $it) (i32.const 1)
      (local.get $host) (i32.sub (local.get $path) (local.get $host))))
    (drop (call $set-path (local.get $it) (i32.const 1)
      (local.get $path) (i32.sub (i32.add (global.get $url_ptr) (global.get $url_len)) (local.get $path))))
    (call $handle-out (local.get $it) (i32.const 0) (i32.const 0) (i32.const 256))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
