;; Asks a host the owner has not granted, through WASI's own interface.
;;! title = "wasi:http to a host not granted"
;;! stopped = ["value"]
;;! grants = ["http"]

(import "wasi:http/types" "[constructor]fields" (func $fields (result i32)))
(import "wasi:http/types" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
(import "wasi:http/types" "[method]outgoing-request.set-authority"
  (func $set-authority (param i32 i32 i32 i32) (result i32)))
(import "wasi:http/types" "[method]outgoing-request.set-path-with-query"
  (func $set-path (param i32 i32 i32 i32) (result i32)))
(import "wasi:http/types" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
(import "wasi:http/types" "[method]future-incoming-response.get" (func $get (param i32 i32)))
(import "wasi:http/outgoing-handler" "handle" (func $handle-out (param i32 i32 i32 i32)))
(import "wasi:io/poll" "[method]pollable.block" (func $block (param i32)))
(data (i32.const 1024) "127.0.0.1:22/")

;; `HTTP-request-denied` or `destination-IP-prohibited`.
(func $is-denied (param $code i32) (result i32)
  (i32.or
    (i32.eq (i32.load8_u (local.get $code)) (i32.const 15))
    (i32.eq (i32.load8_u (local.get $code)) (i32.const 4))))
(func (export "on-frame")
  (local $it i32)
  (local.set $it (call $request (call $fields)))
  (drop (call $set-authority (local.get $it) (i32.const 1) (i32.const 1024) (i32.const 12)))
  (drop (call $set-path (local.get $it) (i32.const 1) (i32.const 1036) (i32.const 1)))
  (call $handle-out (local.get $it) (i32.const 0) (i32.const 0) (i32.const 256))
  ;; Said at once, in place of an answer to wait for.
  (if (i32.load8_u (i32.const 256)) (then (call $verdict (call $is-denied (i32.const 264))) (return)))
  (local.set $it (i32.load (i32.const 264)))
  (call $block (call $subscribe (local.get $it)))
  (call $get (local.get $it) (i32.const 320))
  ;; There is an answer, nobody took it before, and it is an error.
  (call $verdict (i32.and
    (i32.and (i32.load8_u (i32.const 320)) (i32.eqz (i32.load8_u (i32.const 328))))
    (i32.and (i32.load8_u (i32.const 336)) (call $is-denied (i32.const 344))))))
