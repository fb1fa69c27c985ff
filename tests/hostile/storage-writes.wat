;; Writes the same key 20,000 times, each of which has to reach the disk, or as often as is taken.
;;! title = "wears out the disk with writes"
;;! stopped = ["limit:storage_writes"]
;;! grants = ["storage"]

(import "transom:app/storage" "put" (func $put (param i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (local $left i32)
  (local.set $left (i32.const 20000))
  (loop $next
    (call $put (i32.const 142) (i32.const 7) (i32.const 142) (i32.const 7) (i32.const 256))
    (if (i32.load8_u (i32.const 256)) (then (return)))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $escaped))
