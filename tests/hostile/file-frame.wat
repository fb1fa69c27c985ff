;; Takes the handle of its frame for one of a folder, and opens a file by its absolute path.
;;! title = "takes a frame for a folder"
;;! stopped = ["trap", "host"]

(import "wasi:filesystem/types" "[method]descriptor.open-at" (func $open-at (param i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "/etc/passwd")

(func (export "on-frame")
  (call $open-at (global.get $frame)
    (i32.const 1) (i32.const 1024) (i32.const 11) (i32.const 0) (i32.const 1) (i32.const 256))
  (call $escaped))
