;; Lets the host hand over one list after the other, which the host's own allocations in the plugin's memory keep.
;;! title = "takes all memory, in the host's answers"
;;! stopped = ["memory", "limit:memory"]

(import "wasi:random/insecure" "get-insecure-random-bytes" (func $random (param i64 i32)))

(func (export "configure")
  (local $left i32)
  (local.set $left (i32.const 16384))
  (loop $more
    (call $random (i64.const 65536) (i32.const 256))
    (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $escaped))
