;; What stands around the fields of an attack; see `build.rs`. Left out of it are functions whose identifier
;; or export the file has itself.
(import "transom:app/events" "publish" (func $publish (param i32 i32 i32 i32 i32 i32 i32)))
(import "transom:app/frames" "[resource-drop]frame" (func $drop-frame (param i32)))

;; Bytes 0 ..= 15 stay zero: read as an answer they are `ok`. 128 ..= 255 are the prelude's own, 256 ..= 1,023
;; are for what the host answers, 1,024 and on for the file's data, and the heap begins at 65,536.
(memory $memory (export "memory") 1)
;; The third is a name for files that need one: nobody may take it for either of the others.
(data (i32.const 128) "stoppedescapedattacks")
(global $heap (mut i32) (i32.const 65536))
;; The handle of the present frame; 0 where the file has dropped it or means to keep it.
(global $frame (mut i32) (i32.const 0))
;; The first param of the app, where it is a text.
(global $url_ptr (mut i32) (i32.const 0))
(global $url_len (mut i32) (i32.const 0))

;; The host refused as it must.
(func $stopped (call $say (i32.const 128)))
;; The host let it through.
(func $escaped (call $say (i32.const 135)))
;; `$stopped` where it holds, `$escaped` where it does not.
(func $verdict (param $holds i32)
  (if (local.get $holds) (then (call $stopped)) (else (call $escaped))))
;; Publishes an event without data whose name of seven letters is at `$name`.
(func $say (param $name i32)
  (call $publish (local.get $name) (i32.const 7)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 160)))

;; Only ever takes more; where there is no more, it stops the plugin.
(func $cabi_realloc (export "cabi_realloc")
  (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
  (local $at i32) (local $pages i32)
  (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
  (global.set $heap (i32.add (local.get $at) (local.get $new)))
  (local.set $pages (i32.sub
    (i32.wrap_i64
      (i64.shr_u (i64.add (i64.extend_i32_u (global.get $heap)) (i64.const 65535)) (i64.const 16)))
    (memory.size)))
  (if (i32.gt_s (local.get $pages) (i32.const 0))
    (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (unreachable)))))
  (if (local.get $size) (then (memory.copy (local.get $at) (local.get $old) (local.get $size))))
  (local.get $at))

(func $configure)
(func $on-frame)
(func $on-stop)
(func $handle (param i32 i32))

(func (export "transom:app/lifecycle@0.1.0#configure")
  (param $params i32) (param $count i32) (param i32 i32 i32 i32) (result i32)
  (if (local.get $count)
    (then
      ;; A param is its name, at 8 the kind of its value, 2 for a text, and at 16 the value.
      (if (i32.eq (i32.load8_u offset=8 (local.get $params)) (i32.const 2))
        (then
          (global.set $url_ptr (i32.load offset=16 (local.get $params)))
          (global.set $url_len (i32.load offset=20 (local.get $params)))))))
  (call $configure)
  (i32.const 0))
(func (export "transom:app/lifecycle@0.1.0#on-frame")
  (param $lent i32) (param i32 i32 i64 i64 i32 i32) (result i32)
  (global.set $frame (local.get $lent))
  (call $on-frame)
  (if (global.get $frame) (then (call $drop-frame (global.get $frame))))
  (i32.const 0))
(func (export "transom:app/lifecycle@0.1.0#on-stop") (call $on-stop))
(func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $answer i32)
  (call $handle (local.get $request) (local.get $answer)))
