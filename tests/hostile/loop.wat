;; An endless loop in `on-frame`.
;;! title = "an endless loop"
;;! stopped = ["deadline"]

(func (export "on-frame")
  (loop $again (br $again)))
