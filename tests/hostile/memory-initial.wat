;; Asks for a gigabyte before it runs.
;;! title = "a gigabyte at instantiation"
;;! stopped = ["load", "memory", "limit:memory"]

(component
  (core module $large (memory 16384))
  (core instance (instantiate $large)))
(func (export "on-frame")
  (call $escaped))
