;; Answers a request with a body that does not end.
;;! title = "an answer that does not end"
;;! stopped = ["value", "deadline", "trap", "host"]
;;! grants = ["port"]
;;! world = "plugin-http"

(import "wasi:http/types" "[constructor]fields" (func $fields (result i32)))
(import "wasi:http/types" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
(import "wasi:http/types" "[method]outgoing-response.body" (func $body (param i32 i32)))
(import "wasi:http/types" "[method]outgoing-body.write" (func $write (param i32 i32)))
(import "wasi:http/types" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
(import "wasi:io/streams" "[method]output-stream.blocking-write-and-flush" (func $print (param i32 i32 i32 i32)))

(func (export "handle") (param $request i32) (param $answer i32)
  (local $it i32) (local $left i32)
  (call $body (local.tee $it (call $response (call $fields))) (i32.const 256))
  (call $write (i32.load (i32.const 260)) (i32.const 272))
  (call $set (local.get $answer) (i32.const 0) (local.get $it)
    (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
  (local.set $left (i32.const 65536))
  (loop $more
    (call $print (i32.load (i32.const 276)) (i32.const 4096) (i32.const 4096) (i32.const 288))
    (if (i32.load8_u (i32.const 288)) (then (call $stopped) (return)))
    (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  ;; 256 MiB, and it was not too much.
  (call $escaped))
