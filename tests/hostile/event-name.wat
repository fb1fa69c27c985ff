;; Publishes events whose name forges a topic or a line, and JSON that forges a second event.
;;! title = "event names and data that forge"
;;! stopped = ["value"]

(data (i32.const 1024) "../#")
(data (i32.const 1040) "a\0d\0ab")
(data (i32.const 1056) "{}\0a{\"app\":\"another\"}")

(func $is-refused
  (param $name i32) (param $length i32) (param $data i32) (param $size i32) (param $case i32) (result i32)
  (call $publish (local.get $name) (local.get $length) (local.get $data) (local.get $size)
    (i32.const 0) (i32.const 0) (i32.const 256))
  (i32.and (i32.load8_u (i32.const 256)) (i32.eq (i32.load8_u (i32.const 260)) (local.get $case))))
(func (export "on-frame")
  ;; Twice `bad-name`, once `bad-data`.
  (call $verdict (i32.and
    (i32.and
      (call $is-refused (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0))
      (call $is-refused (i32.const 1040) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0)))
    (call $is-refused (i32.const 142) (i32.const 7) (i32.const 1056) (i32.const 20) (i32.const 1)))))
