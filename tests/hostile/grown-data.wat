;; A component of 63 MiB that is one segment of data.
;;! title = "63 MiB of data"
;;! stopped = ["load", "memory", "limit:memory"]
;;! grown = "data"
