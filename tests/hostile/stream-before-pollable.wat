;; Drops a stream while it holds what waits for that stream, and waits.
;;! title = "waits for a stream it has dropped"
;;! stopped = ["trap", "host"]

(import "wasi:cli/stdin" "get-stdin" (func $stdin (result i32)))
(import "wasi:io/streams" "[method]input-stream.subscribe" (func $subscribe (param i32) (result i32)))
(import "wasi:io/streams" "[resource-drop]input-stream" (func $drop-stream (param i32)))
(import "wasi:io/poll" "[method]pollable.block" (func $block (param i32)))

(func (export "on-frame")
  (local $stream i32) (local $pollable i32)
  (local.set $pollable (call $subscribe (local.tee $stream (call $stdin))))
  (call $drop-stream (local.get $stream))
  (call $block (local.get $pollable))
  (call $escaped))
