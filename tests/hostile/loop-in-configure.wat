;; An endless loop in `configure`.
;;! title = "an endless loop in configure"
;;! stopped = ["deadline"]

(func (export "configure")
  (loop $again (br $again)))
