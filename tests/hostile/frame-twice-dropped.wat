;; Drops the frame twice.
;;! title = "drops a frame twice"
;;! stopped = ["trap", "host"]

(func (export "on-frame")
  (call $drop-frame (global.get $frame))
  (call $drop-frame (global.get $frame))
  (call $escaped))
