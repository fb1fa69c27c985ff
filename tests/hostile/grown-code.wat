;; A component of 40 MiB of code, in many functions.
;;! title = "40 MiB of code"
;;! stopped = ["load"]
;;! grown = "code"
