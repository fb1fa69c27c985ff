;; Refuses to start, in 60 MiB of words.
;;! title = "an error of 60 MiB in configure"
;;! stopped = ["trap", "host", "limit:call_bytes"]

(func (export "transom:app/lifecycle@0.1.0#configure") (param i32 i32 i32 i32 i32 i32) (result i32)
  (drop (memory.grow (i32.const 960)))
  (i32.store (i32.const 256) (i32.const 1))
  (i32.store (i32.const 260) (i32.const 65536))
  (i32.store (i32.const 264) (i32.const 0x3c00000))
  (i32.const 256))
