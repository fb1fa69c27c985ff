;; One function of 7 MB whose every block can jump to every other: small to send, slow to compile.
;;! title = "a function made to compile for ever"
;;! stopped = ["load"]
;;! grown = "flow"
