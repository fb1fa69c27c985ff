;; Stops itself in `on-stop`, where nobody waits for an answer any more.
;;! title = "a fault in on-stop"
;;! stopped = ["trap"]

(func (export "on-stop")
  (unreachable))
