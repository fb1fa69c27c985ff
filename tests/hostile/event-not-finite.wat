;; Publishes detections whose score or place is no number.
;;! title = "detections that are no numbers"
;;! stopped = ["value"]

;; A detection: label, score, l, t, w, h, track.
(data (i32.const 1024) "\8e\00\00\00\07\00\00\00" "\00\00\c0\7f"
  "\00\00\00\00\00\00\00\00\00\00\80\3f\00\00\80\3f" "\00\00\00\00\00\00\00\00")
(data (i32.const 1060) "\8e\00\00\00\07\00\00\00" "\00\00\80\3f"
  "\00\00\80\ff\00\00\00\00\00\00\80\3f\00\00\80\7f" "\00\00\00\00\00\00\00\00")

(func $is-refused (param $at i32) (result i32)
  (call $publish (i32.const 142) (i32.const 7) (i32.const 0) (i32.const 0)
    (local.get $at) (i32.const 1) (i32.const 256))
  ;; An error, and `bad-detection`.
  (i32.and (i32.load8_u (i32.const 256)) (i32.eq (i32.load8_u (i32.const 260)) (i32.const 2))))
(func (export "on-frame")
  (call $verdict (i32.and (call $is-refused (i32.const 1024)) (call $is-refused (i32.const 1060)))))
