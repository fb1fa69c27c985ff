;; An endless loop in the module's start function, before anything has been called.
;;! title = "an endless loop at instantiation"
;;! stopped = ["deadline"]

(func $spin
  (loop $again (br $again)))
(start $spin)
