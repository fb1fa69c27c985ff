use super::*;

#[test]
fn a_classifier_gives_the_top_classes() {
    let model = load("means.onnx", "", "read = \"classifier\"\nlabels = \"labels.txt\"");
    let frame = frame(16, 12, |_, _| 120);
    let top = model.classify(&asker(), &frame, None, 2).unwrap();
    assert_eq!(top.len(), 2);
    assert_eq!(model.labels()[top[0].label as usize], "red");
    assert_eq!(model.classify(&asker(), &frame, None, 9).unwrap().len(), 3);
    assert_eq!(
        model.classify(&asker(), &frame, None, 0).unwrap_err(),
        AskError::BadArgument("top is 0; it is 1 or more".to_owned())
    );
    assert_eq!(
        model.detect(&asker(), &frame, None, None).unwrap_err(),
        AskError::WrongKind(
            "model `test` was asked for detections; it is a classifier; ask it to `classify` or `infer`"
                .to_owned()
        )
    );
    let report = model.report();
    assert_eq!((report.asks, report.remembered, report.inference.count), (2, 1, 1));
}

#[test]
fn however_many_ask_inference_runs_once() {
    let model = load("means.onnx", "", "read = \"classifier\"\nlabels = \"labels.txt\"");
    let frame = frame(640, 480, |x, _| x as u8);
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                model.classify(&asker(), &frame, Some(Region::WHOLE), 3).unwrap();
                model.infer(&asker(), &frame, None).unwrap();
            });
        }
    });
    let report = model.report();
    assert_eq!((report.asks, report.remembered, report.inference.count), (16, 15, 1));
    assert!(report.prepare.cpu_us > 0);
}

#[test]
fn two_models_do_not_share_answers() {
    let raw = "read = \"raw\"";
    let (plain, doubled) = (load("echo.onnx", "scale = 1.0", raw), load("echo.onnx", "scale = 2.0", raw));
    let frame = frame(8, 6, |_, _| 50);
    let (a, b) = (values(&plain, &frame), values(&doubled, &frame));
    assert!(a.iter().zip(&b).all(|(a, b)| a * 2.0 == *b));
}

#[test]
fn a_bad_region_is_refused_and_not_counted() {
    let model = load("echo.onnx", "", "read = \"raw\"");
    let frame = frame(8, 6, |_, _| 50);
    let nowhere = Region { l: 2.0, t: 0.0, w: 1.0, h: 1.0 };
    assert!(matches!(model.infer(&asker(), &frame, Some(nowhere)), Err(AskError::BadRegion(_))));
    assert_eq!(model.report().asks, 0);
}
