;; Opens a file by `..`, below a folder nobody gave it.
;;! title = "opens ../../etc/passwd"
;;! stopped = ["trap", "host"]

(import "wasi:filesystem/types" "[method]descriptor.open-at" (func $open-at (param i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "../../../../../../etc/passwd")

(func (export "on-frame")
  (call $open-at (i32.add (global.get $frame) (i32.const 1))
    (i32.const 1) (i32.const 1024) (i32.const 28) (i32.const 0) (i32.const 1) (i32.const 256))
  (call $escaped))
