;; Opens a UDP socket, which needs no connection to send secrets by.
;;! title = "sends datagrams"
;;! stopped = ["load", "value"]
;;! grants = ["http"]

(import "wasi:sockets/udp-create-socket" "create-udp-socket" (func $create (param i32 i32)))
(import "wasi:sockets/udp" "[method]udp-socket.stream"
  (func $stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (call $create (i32.const 0) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $stopped) (return)))
  ;; To 127.0.0.1:53, and six words that only an IPv6 address has.
  (call $stream (i32.load (i32.const 260)) (i32.const 1) (i32.const 0)
    (i32.const 53) (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 272))
  (call $verdict (i32.load8_u (i32.const 272))))
