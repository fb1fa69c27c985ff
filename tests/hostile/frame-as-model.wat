;; Asks the frame what a model is asked: a handle of one kind for another.
;;! title = "takes a frame for a model"
;;! stopped = ["trap", "host"]
;;! grants = ["models"]

(import "transom:app/models" "[method]model.labels" (func $labels (param i32 i32)))

(func (export "on-frame")
  (call $labels (global.get $frame) (i32.const 256))
  (call $escaped))
