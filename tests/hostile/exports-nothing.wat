;; A component that has nothing in it.
;;! title = "exports nothing"
;;! stopped = ["load"]

(component)
