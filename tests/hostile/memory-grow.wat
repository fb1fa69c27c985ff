;; Takes 16 MiB of memory after the other, and writes to each.
;;! title = "takes all memory there is"
;;! stopped = ["value", "memory", "limit:memory"]

(func (export "on-frame")
  (local $before i32)
  (loop $more
    (local.set $before (memory.grow (i32.const 256)))
    (if (i32.eq (local.get $before) (i32.const -1))
      (then
        ;; Under 2 GiB somebody refused; at 4 GiB there is no more to be had.
        (call $verdict (i32.lt_u (memory.size) (i32.const 32768)))
        (return)))
    (i32.store (i32.mul (local.get $before) (i32.const 65536)) (i32.const 1))
    (br $more)))
