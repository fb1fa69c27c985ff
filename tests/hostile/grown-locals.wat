;; One function of 50,000 locals that all live to its end.
;;! title = "a function of 50,000 locals"
;;! stopped = ["load"]
;;! grown = "locals"
