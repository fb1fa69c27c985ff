;; One function of 27 KB whose blocks can jump to each other: no size gives it away, and it compiles for minutes.
;;! title = "27 KB made to compile for minutes"
;;! stopped = ["load"]
;;! grown = "knot"
