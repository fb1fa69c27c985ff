;; A module that takes an integer for a reference to a function: the way into the host, were it not checked.
;;! title = "code that breaks the type rules"
;;! stopped = ["load"]
;;! invalid = true

(component
  (core module $forged
    (table 1 funcref)
    (func (export "run") (table.set (i32.const 0) (i32.const 0x41414141))))
  (core instance (instantiate $forged)))
(func (export "on-frame")
  (call $escaped))
