;; Publishes an event whose name is no UTF-8.
;;! title = "an event's name that is no text"
;;! stopped = ["trap", "host"]

(data (i32.const 1024) "a\ed\a0\80")

(func (export "on-frame")
  (call $publish (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256))
  (call $escaped))
