;; Fills all of a large memory again and again; one `memory.fill` holds no point at which it could be stopped.
;;! title = "an endless loop of memory.fill"
;;! stopped = ["deadline"]

(func (export "on-frame")
  (drop (memory.grow (i32.const 512)))
  (loop $again
    (memory.fill (i32.const 1024) (i32.const 7) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1024)))
    (br $again)))
