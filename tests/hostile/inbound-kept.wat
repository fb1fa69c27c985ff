;; Keeps the right to answer one request and uses it during the next, with a status of 418: nobody may get that.
;;! title = "answers a request it had let go"
;;! stopped = ["trap", "host", "cut"]
;;! grants = ["port"]
;;! world = "plugin-http"

(import "wasi:http/types" "[constructor]fields" (func $fields (result i32)))
(import "wasi:http/types" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
(import "wasi:http/types" "[method]outgoing-response.set-status-code" (func $set-status (param i32 i32) (result i32)))
(import "wasi:http/types" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
(global $kept (mut i32) (i32.const 0))

(func (export "handle") (param $request i32) (param $answer i32)
  (local $it i32)
  (if (i32.eqz (global.get $kept)) (then (global.set $kept (local.get $answer)) (return)))
  ;; Once only: the handle's number is given out again, and then it is another request's.
  (if (i32.eq (global.get $kept) (i32.const -1)) (then (return)))
  (drop (call $set-status (local.tee $it (call $response (call $fields))) (i32.const 418)))
  (call $set (global.get $kept) (i32.const 0) (local.get $it)
    (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
  (global.set $kept (i32.const -1)))
