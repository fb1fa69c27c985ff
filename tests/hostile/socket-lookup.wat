;; Looks up a name that holds a secret, and so tells whoever answers for that name.
;;! title = "sends a secret as a name to look up"
;;! stopped = ["load", "value"]
;;! grants = ["http"]

(import "wasi:sockets/instance-network" "instance-network" (func $network (result i32)))
(import "wasi:sockets/ip-name-lookup" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))
(data (i32.const 1024) "secret.invalid")

(func (export "on-frame")
  (call $resolve (call $network) (i32.const 1024) (i32.const 14) (i32.const 256))
  (call $verdict (i32.load8_u (i32.const 256))))
