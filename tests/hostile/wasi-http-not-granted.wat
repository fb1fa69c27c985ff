;; Imports WASI's own way out, where the owner has granted none.
;;! title = "wasi:http without a grant"
;;! stopped = ["load"]

(import "wasi:http/types" "[constructor]fields" (func $fields (result i32)))
(import "wasi:http/types" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
(import "wasi:http/outgoing-handler" "handle" (func $handle-out (param i32 i32 i32 i32)))

(func (export "on-frame")
  (call $handle-out (call $request (call $fields)) (i32.const 0) (i32.const 0) (i32.const 256))
  (call $escaped))
