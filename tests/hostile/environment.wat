;; Reads the environment, the arguments and the working directory of the host.
;;! title = "reads the environment"
;;! stopped = ["value"]

(import "wasi:cli/environment" "get-environment" (func $environment (param i32)))
(import "wasi:cli/environment" "get-arguments" (func $arguments (param i32)))
(import "wasi:cli/environment" "initial-cwd" (func $folder (param i32)))

(func (export "on-frame")
  (call $environment (i32.const 256))
  (call $arguments (i32.const 272))
  (call $folder (i32.const 288))
  ;; Two lists of nothing, and no folder.
  (call $verdict (i32.eqz (i32.or
    (i32.or (i32.load (i32.const 260)) (i32.load (i32.const 276)))
    (i32.load8_u (i32.const 288))))))
