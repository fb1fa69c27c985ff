;; Imports storage and models, which the owner has not granted.
;;! title = "imports what was not granted"
;;! stopped = ["load"]

(import "transom:app/storage" "get" (func $get (param i32 i32 i32)))
(import "transom:app/models" "[static]model.open" (func $open (param i32 i32 i32)))

(func (export "on-frame")
  (call $get (i32.const 142) (i32.const 7) (i32.const 256))
  (call $open (i32.const 142) (i32.const 7) (i32.const 256))
  (call $escaped))
