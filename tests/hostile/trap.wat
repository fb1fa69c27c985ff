;; Stops itself on every frame, so that the host has to start it again and again.
;;! title = "a fault on every frame"
;;! stopped = ["trap"]

(func (export "on-frame")
  (unreachable))
