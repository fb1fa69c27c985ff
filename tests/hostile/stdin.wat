;; Reads from the terminal the host was started in.
;;! title = "reads the terminal"
;;! stopped = ["value"]

(import "wasi:cli/stdin" "get-stdin" (func $stdin (result i32)))
(import "wasi:io/streams" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))

(func (export "on-frame")
  (call $read (call $stdin) (i64.const 64) (i32.const 256))
  ;; An error, and `closed`.
  (call $verdict (i32.and (i32.load8_u (i32.const 256)) (i32.eq (i32.load8_u (i32.const 260)) (i32.const 1)))))
