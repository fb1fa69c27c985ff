;; An endless loop in `on-stop`.
;;! title = "an endless loop in on-stop"
;;! stopped = ["deadline"]

(func (export "on-stop")
  (loop $again (br $again)))
