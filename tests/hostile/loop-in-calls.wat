;; Asks the host the cheapest question there is, without end.
;;! title = "an endless loop of host calls"
;;! stopped = ["deadline"]

(import "transom:app/marks" "watched" (func $watched (result i32)))

(func (export "on-frame")
  (loop $again
    (drop (call $watched))
    (br $again)))
