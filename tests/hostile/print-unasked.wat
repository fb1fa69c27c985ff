;; Prints 1 TiB of zeros in one call, which the host would have to make.
;;! title = "prints a terabyte of zeros"
;;! stopped = ["trap", "host", "limit:call_bytes"]

(import "wasi:cli/stdout" "get-stdout" (func $stdout (result i32)))
(import "wasi:io/streams" "[method]output-stream.write-zeroes" (func $zeroes (param i32 i64 i32)))

(func (export "on-frame")
  (call $zeroes (call $stdout) (i64.const 0x10000000000) (i32.const 256))
  (call $escaped))
