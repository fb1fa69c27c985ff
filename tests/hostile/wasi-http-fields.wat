;; Appends 256 MiB of headers to a list that the host keeps.
;;! title = "takes the host's memory, as headers"
;;! stopped = ["value", "trap", "host", "limit:call_bytes"]
;;! grants = ["http"]

(import "wasi:http/types" "[constructor]fields" (func $fields (result i32)))
(import "wasi:http/types" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "x-large")

(func (export "configure")
  (local $left i32) (local $it i32)
  (local.set $it (call $fields))
  (memory.fill (i32.const 4096) (i32.const 0x61) (i32.const 0x8000))
  (local.set $left (i32.const 8192))
  (loop $next
    (call $append (local.get $it) (i32.const 1024) (i32.const 7) (i32.const 4096) (i32.const 0x8000) (i32.const 256))
    (if (i32.load8_u (i32.const 256)) (then (call $stopped) (return)))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $escaped))
