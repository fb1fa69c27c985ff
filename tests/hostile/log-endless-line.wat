;; Prints 2 MiB without a line break.
;;! title = "a printed line without an end"
;;! stopped = ["limit:log_lines"]

(import "wasi:cli/stdout" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams" "[method]output-stream.blocking-write-and-flush" (func $print (param i32 i32 i32 i32)))

(func (export "configure")
  (local $left i32) (local $stream i32)
  (local.set $stream (call $stdout))
  (memory.fill (i32.const 4096) (i32.const 0x61) (i32.const 4096))
  (local.set $left (i32.const 512))
  (loop $next
    (call $print (local.get $stream) (i32.const 4096) (i32.const 4096) (i32.const 256))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
