;; Opens a TCP port of its own.
;;! title = "listens on a port"
;;! stopped = ["load", "value"]

(import "wasi:sockets/instance-network" "instance-network" (func $network (result i32)))
(import "wasi:sockets/tcp-create-socket" "create-tcp-socket" (func $create (param i32 i32)))
(import "wasi:sockets/tcp" "[method]tcp-socket.start-bind"
  (func $bind (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(import "wasi:sockets/tcp" "[method]tcp-socket.start-listen" (func $listen (param i32 i32)))

(func (export "on-frame")
  (call $create (i32.const 0) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $stopped) (return)))
  ;; 0.0.0.0:18080, and six words that only an IPv6 address has.
  (call $bind (i32.load (i32.const 260)) (call $network) (i32.const 0)
    (i32.const 18080) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 272))
  (call $verdict (i32.load8_u (i32.const 272))))
