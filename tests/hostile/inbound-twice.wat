;; Answers one request twice.
;;! title = "answers a request twice"
;;! stopped = ["trap", "host"]
;;! grants = ["port"]
;;! world = "plugin-http"

(import "wasi:http/types" "[constructor]fields" (func $fields (result i32)))
(import "wasi:http/types" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
(import "wasi:http/types" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))

(func $answers (param $answer i32)
  (call $set (local.get $answer) (i32.const 0) (call $response (call $fields))
    (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
(func (export "handle") (param $request i32) (param $answer i32)
  (call $answers (local.get $answer))
  (call $answers (local.get $answer))
  (call $escaped))
