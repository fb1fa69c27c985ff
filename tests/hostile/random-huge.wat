;; Asks for 4 GiB of random bytes in one call, which the host would have to make.
;;! title = "asks for 4 GiB of random bytes"
;;! stopped = ["trap", "host", "limit:call_bytes"]

(import "wasi:random/random" "get-random-bytes" (func $random (param i64 i32)))

(func (export "on-frame")
  (call $random (i64.const 0x100000000) (i32.const 256))
  (call $escaped))
