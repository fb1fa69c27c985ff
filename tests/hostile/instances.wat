;; Brings 1,000 instances of its own, each with a memory and a table: little memory, many of the host's slots.
;;! title = "a component of 1,000 instances"
;;! stopped = ["load", "memory", "trap", "host"]

(component
  (core module $small (memory 0 1) (table 1 funcref))
  (component $ten
    (alias outer 1 $small (core module $small))
    (core instance (instantiate $small)) (core instance (instantiate $small))
    (core instance (instantiate $small)) (core instance (instantiate $small))
    (core instance (instantiate $small)) (core instance (instantiate $small))
    (core instance (instantiate $small)) (core instance (instantiate $small))
    (core instance (instantiate $small)) (core instance (instantiate $small)))
  (component $hundred
    (alias outer 1 $ten (component $ten))
    (instance (instantiate $ten)) (instance (instantiate $ten)) (instance (instantiate $ten))
    (instance (instantiate $ten)) (instance (instantiate $ten)) (instance (instantiate $ten))
    (instance (instantiate $ten)) (instance (instantiate $ten)) (instance (instantiate $ten))
    (instance (instantiate $ten)))
  (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
  (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
  (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
  (instance (instantiate $hundred)))
(func (export "on-frame")
  (call $escaped))
