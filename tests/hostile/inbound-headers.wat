;; Answers with a header that holds a line break and so begins another, and with one whose name is no name.
;;! title = "an answer whose headers forge headers"
;;! stopped = ["value"]
;;! grants = ["port"]
;;! world = "plugin-http"

(import "wasi:http/types" "[constructor]fields" (func $fields (result i32)))
(import "wasi:http/types" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "x-aa\0d\0aset-cookie: admin=1x: a\0d\0ab")

(func (export "handle") (param $request i32) (param $answer i32)
  (local $it i32)
  (local.set $it (call $fields))
  (call $append (local.get $it) (i32.const 1024) (i32.const 3) (i32.const 1027) (i32.const 22) (i32.const 256))
  (call $append (local.get $it) (i32.const 1049) (i32.const 7) (i32.const 1024) (i32.const 1) (i32.const 272))
  ;; Both are errors, and both `invalid-syntax`.
  (call $verdict (i32.eq
    (i32.or (i32.load16_u (i32.const 256)) (i32.shl (i32.load16_u (i32.const 272)) (i32.const 16)))
    (i32.const 0x00010001))))
