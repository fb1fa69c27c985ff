;; Stores under keys that are paths, which mean nothing, and under keys that break the rule for keys.
;;! title = "keys that are paths"
;;! stopped = ["value"]
;;! grants = ["storage"]

(import "transom:app/storage" "put" (func $put (param i32 i32 i32 i32 i32)))
(data (i32.const 1024) "../../../../../../tmp/transom-escaped")
(data (i32.const 1088) "a\00b")

(func $is-refused (param $key i32) (param $length i32) (result i32)
  (call $put (local.get $key) (local.get $length) (i32.const 128) (i32.const 1) (i32.const 256))
  ;; An error, and `bad-argument`.
  (i32.and (i32.load8_u (i32.const 256)) (i32.eqz (i32.load8_u (i32.const 260)))))
(func (export "on-frame")
  (call $put (i32.const 1024) (i32.const 37) (i32.const 142) (i32.const 7) (i32.const 256))
  (memory.fill (i32.const 2048) (i32.const 0x61) (i32.const 257))
  (call $verdict (i32.and
    (i32.and (call $is-refused (i32.const 1088) (i32.const 0)) (call $is-refused (i32.const 1088) (i32.const 3)))
    (call $is-refused (i32.const 2048) (i32.const 257)))))
