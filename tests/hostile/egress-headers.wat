;; Sends a header with a line break that begins another, and one that names another host.
;;! title = "headers that forge headers"
;;! stopped = ["value"]
;;! grants = ["http"]
;;! server = "/"

(import "transom:app/http" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 1024) "x-ahosta\0d\0ahost: evil.example")
;; Two headers: where its name and its value are.
(data (i32.const 1088) "\00\04\00\00\03\00\00\00" "\07\04\00\00\15\00\00\00")
(data (i32.const 1104) "\03\04\00\00\04\00\00\00" "\10\04\00\00\0c\00\00\00")

(func $is-refused (param $header i32) (result i32)
  (call $send (i32.const 0) (global.get $url_ptr) (global.get $url_len)
    (local.get $header) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 256))
  ;; An error, and `bad-request`.
  (i32.and (i32.load8_u (i32.const 256)) (i32.eqz (i32.load8_u (i32.const 260)))))
(func (export "on-frame")
  (call $verdict (i32.and (call $is-refused (i32.const 1088)) (call $is-refused (i32.const 1104)))))
