;; Writes a log line of 32 MiB.
;;! title = "a log line of 32 MiB"
;;! stopped = ["trap", "host", "limit:call_bytes"]

(import "transom:app/log" "write" (func $write (param i32 i32 i32)))

(func (export "on-frame")
  (drop (memory.grow (i32.const 512)))
  (call $write (i32.const 2) (i32.const 65536) (i32.const 0x2000000))
  (call $escaped))
