;; Imports an interface nobody has heard of.
;;! title = "imports an interface of its own making"
;;! stopped = ["load"]
;;! wit = """
;;!   package evil:host;
;;!   interface shell { run: func(command: string); }
;;! """

(import "evil:host/shell" "run" (func $run (param i32 i32)))

(func (export "on-frame")
  (call $run (i32.const 0) (i32.const 0))
  (call $escaped))
