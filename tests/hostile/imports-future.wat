;; Imports a version of the interface this host does not know.
;;! title = "built for a later, breaking version"
;;! stopped = ["load"]
;;! wit = """
;;!   package transom:app@0.2.0;
;;!   interface log { write: func(text: string); }
;;! """

(import "transom:app/log@0.2.0" "write" (func $write (param i32 i32)))

(func (export "on-frame")
  (call $write (i32.const 0) (i32.const 0))
  (call $escaped))
