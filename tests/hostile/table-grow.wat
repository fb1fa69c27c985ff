;; Takes a million entries of a table after the other; each costs the host 8 bytes.
;;! title = "takes all memory, as a table"
;;! stopped = ["value", "memory", "limit:memory"]

(table $table 1 funcref)
(func (export "on-frame")
  (loop $more
    (if (i32.eq (table.grow $table (ref.null func) (i32.const 1000000)) (i32.const -1))
      (then (call $verdict (i32.lt_u (table.size $table) (i32.const 100000000))) (return)))
    (br_if $more (i32.lt_u (table.size $table) (i32.const 200000000))))
  (call $escaped))
