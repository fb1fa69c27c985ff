;; Makes a symbolic link out of a folder nobody gave it.
;;! title = "makes a link to /"
;;! stopped = ["trap", "host"]

(import "wasi:filesystem/types" "[method]descriptor.symlink-at" (func $symlink-at (param i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "/")
(data (i32.const 1040) "root")

(func (export "on-frame")
  (call $symlink-at (i32.add (global.get $frame) (i32.const 1))
    (i32.const 1024) (i32.const 1) (i32.const 1040) (i32.const 4) (i32.const 256))
  (call $escaped))
