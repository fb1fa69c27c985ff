;; Connects to a service on the box itself, past everything that is checked for HTTP.
;;! title = "connects by TCP"
;;! stopped = ["load", "value"]
;;! grants = ["http"]

(import "wasi:sockets/instance-network" "instance-network" (func $network (result i32)))
(import "wasi:sockets/tcp-create-socket" "create-tcp-socket" (func $create (param i32 i32)))
(import "wasi:sockets/tcp" "[method]tcp-socket.start-connect"
  (func $connect (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))

(func (export "on-frame")
  (call $create (i32.const 0) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $stopped) (return)))
  ;; 127.0.0.1:22, and six words that only an IPv6 address has.
  (call $connect (i32.load (i32.const 260)) (call $network) (i32.const 0)
    (i32.const 22) (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 272))
  (call $verdict (i32.load8_u (i32.const 272))))
