//! What happens to inferences.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::*;

#[test]
fn what_is_sent_comes_back_over_every_protocol() {
    for fake in all(&pixels_said()) {
        let (remote, session) = session(&settings(&fake));
        let given = numbers(1);
        assert_eq!(session.run(&[&given]).unwrap(), [given], "{}", fake.url);
        assert_eq!(remote.device().backend, "remote");
        assert_eq!(remote.device().kind, DeviceKind::Remote);
        assert_eq!(remote.device().name, fake.url);
        assert_eq!(remote.device().version, "fake 7, platform mirror, version 1");
    }
}

#[test]
fn plain_values_are_read_where_bytes_were_asked_for() {
    for fake in [Fake::http(pixels_said()), Fake::grpc(pixels_said())] {
        let (_remote, session) = session(&settings(&fake));
        fake.mood(Mood::Plain);
        let given = numbers(1);
        assert_eq!(session.run(&[&given]).unwrap(), [given]);
    }
}

#[test]
fn bytes_travel_where_the_server_announces_them_or_the_owner_says_so() {
    let announced =
        |fake: &Fake| fake.state.headers.lock().unwrap().contains_key("inference-header-content-length");
    let silent = Said { binary: false, ..pixels_said() };
    for (said, encoding, bytes) in [
        (pixels_said(), Encoding::Auto, true),
        (pixels_said(), Encoding::Json, false),
        (silent.clone(), Encoding::Auto, false),
        (silent, Encoding::Binary, true),
    ] {
        let fake = Fake::http(said);
        let (_remote, session) = session(&Settings { encoding, ..settings(&fake) });
        session.run(&[&numbers(1)]).unwrap();
        assert_eq!(announced(&fake), bytes);
    }
}

#[test]
fn every_type_travels() {
    let array = |values: Values| Array { shape: vec![1, 4], values };
    let arrays = [
        array(Values::F32(vec![0.1, -2.0, f32::MAX, 1e-45])),
        array(Values::F64(vec![0.1, -2.0, f64::MAX, 5e-324])),
        array(Values::F16(vec![0, 0x3c00, 0x8001, 0x7bff])),
        array(Values::I8(vec![i8::MIN, 0, 1, i8::MAX])),
        array(Values::I32(vec![i32::MIN, 0, 1, i32::MAX])),
        array(Values::I64(vec![i64::MIN, 0, 1, i64::MAX])),
        array(Values::U8(vec![0, 1, 200, 255])),
        array(Values::Bool(vec![true, false, true, true])),
    ];
    let names = ["FP32", "FP64", "FP16", "INT8", "INT32", "INT64", "UINT8", "BOOL"];
    for (array, name) in arrays.iter().zip(names) {
        let wanted = Wanted::echo(&[("x", array.values.element(), &["1", "4"])]);
        for fake in all(&Said::echo(&[("x", name, &[1, 4])])) {
            let remote = Remote::connect(&settings(&fake)).unwrap();
            let session = wanted.load(&remote);
            if name == "FP16" && !fake.state.said.lock().unwrap().binary && fake.url.starts_with("http") {
                let why = session.err().unwrap();
                assert!(why.contains("`x` has 16-bit floats, which cannot travel as JSON"), "{why}");
                continue;
            }
            let came = session.unwrap().run(&[array]).unwrap();
            assert_eq!(&came[0], array, "{name} over {}", fake.url);
        }
    }
}

#[test]
fn a_server_with_halves_is_converted_for_where_the_owner_allows_it() {
    for (name, exact) in [("FP16", [0.5f32, -1.25, 1024.0, 0.0]), ("BF16", [0.5, -1.25, 2f32.powi(100), 0.0])]
    {
        let wanted = Wanted::echo(&[("x", Element::Float32, &["4"])]);
        let fake = Fake::grpc(Said::echo(&[("x", name, &[4])]));
        let remote = Remote::connect(&settings(&fake)).unwrap();
        let why = wanted.load(&remote).err().unwrap();
        assert!(why.contains("the types differ; `half = true` has them converted"), "{why}");
        let remote = Remote::connect(&Settings { half: true, ..settings(&fake) }).unwrap();
        let given = Array { shape: vec![4], values: Values::F32(exact.to_vec()) };
        assert_eq!(wanted.load(&remote).unwrap().run(&[&given]).unwrap(), [given]);
    }
}

#[test]
fn several_inputs_and_outputs_keep_their_order() {
    let said = Said::echo(&[("b", "FP32", &[2]), ("a", "INT64", &[3])]);
    let wanted = Wanted::echo(&[("a", Element::Int64, &["3"]), ("b", Element::Float32, &["2"])]);
    let a = Array { shape: vec![3], values: Values::I64(vec![1, -2, i64::MAX]) };
    let b = Array { shape: vec![2], values: Values::F32(vec![0.25, -0.5]) };
    for fake in all(&said) {
        let remote = Remote::connect(&settings(&fake)).unwrap();
        assert_eq!(wanted.load(&remote).unwrap().run(&[&a, &b]).unwrap(), [a.clone(), b.clone()]);
    }
}

#[test]
fn an_open_first_axis_takes_a_batch() {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&settings(&fake));
        assert!(session.batches());
        let given = numbers(5);
        assert_eq!(session.run(&[&given]).unwrap(), [given]);
        assert_eq!(*fake.state.shape.lock().unwrap(), [5, 3, 4]);
    }
}

#[test]
fn a_fixed_first_axis_takes_no_batch() {
    let fake = Fake::http(Said::echo(&[("image", "FP32", &[1, 3, 4])]));
    let (_remote, first) = session(&settings(&fake));
    assert!(!first.batches());
    let why = failed(first.run(&[&numbers(2)]));
    assert!(
        why.ends_with("input `image` is float32 2x3x4 with 24 values, the model takes float32 1x3x4"),
        "{why}"
    );
    let open = Fake::http(pixels_said());
    let (_remote, session) = session(&Settings { batch: false, ..settings(&open) });
    assert!(!session.batches());
}

#[test]
fn inputs_that_do_not_fit_are_not_sent() {
    let fake = Fake::grpc(pixels_said());
    let (_remote, session) = session(&settings(&fake));
    let before = fake.inferences();
    let given = numbers(1);
    failed(session.run(&[]));
    failed(session.run(&[&given, &given]));
    failed(session.run(&[&Array { shape: vec![1, 4, 3], ..given.clone() }]));
    failed(session.run(&[&Array { shape: vec![0, 3, 4], values: Values::F32(Vec::new()) }]));
    failed(session.run(&[&Array { shape: vec![2, 3, 4], ..given.clone() }]));
    failed(session.run(&[&Array { values: Values::U8(vec![0; 12]), ..given }]));
    assert_eq!(fake.inferences(), before);
}

#[test]
fn nan_cannot_travel_as_json_and_can_as_bytes() {
    let given = Array { shape: vec![1, 3, 4], values: Values::F32(vec![f32::NAN; 12]) };
    for fake in all(&pixels_said()) {
        let (remote, session) = session(&Settings { failures: 1, ..settings(&fake) });
        if fake.state.said.lock().unwrap().binary {
            let outputs = session.run(&[&given]).unwrap();
            assert!(
                matches!(&outputs[0].values, Values::F32(values) if values.iter().all(|value| value.is_nan()))
            );
        } else {
            let why = failed(session.run(&[&given]));
            assert!(
                why.contains("input `image`: it has NaN or an infinity, which JSON cannot carry"),
                "{why}"
            );
        }
        assert_eq!(remote.lost(), None);
    }
}

#[test]
fn a_stalled_server_is_given_up_at_the_deadline() {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&Settings { retries: 5, ..settings(&fake) });
        fake.mood(Mood::Stall);
        let before = fake.inferences();
        let began = Instant::now();
        let why = failed(session.run(&[&numbers(1)]));
        assert!(why.ends_with("no answer within 400ms"), "{why}");
        assert!(began.elapsed() >= Duration::from_millis(400));
        assert_eq!(fake.inferences(), before + 1, "a deadline is not tried again");
        fake.mood(Mood::Good);
        session.run(&[&numbers(1)]).unwrap();
    }
}

#[test]
fn a_slow_drip_is_given_up_at_the_deadline() {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&settings(&fake));
        fake.mood(Mood::Drip);
        let why = failed(session.run(&[&numbers(1)]));
        assert!(why.ends_with("no answer within 400ms"), "{why}");
    }
}

#[test]
fn unavailable_once_is_tried_again() {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&settings(&fake));
        let before = fake.inferences();
        fake.mood(Mood::UnavailableOnce);
        session.run(&[&numbers(1)]).unwrap();
        assert_eq!(fake.inferences(), before + 2);
    }
}

#[test]
fn tries_end_and_say_what_the_server_said() {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&Settings { retries: 3, ..settings(&fake) });
        let before = fake.inferences();
        fake.mood(Mood::Unavailable);
        let why = failed(session.run(&[&numbers(1)]));
        assert!(why.contains("it is unavailable") && why.contains("model is loading"), "{why}");
        assert_eq!(fake.inferences(), before + 4);
    }
}

#[test]
fn no_retries_means_one_try() {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&Settings { retries: 0, ..settings(&fake) });
        let before = fake.inferences();
        fake.mood(Mood::UnavailableOnce);
        failed(session.run(&[&numbers(1)]));
        assert_eq!(fake.inferences(), before + 1);
    }
}

#[test]
fn an_answer_cut_short_is_tried_again() {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&settings(&fake));
        let before = fake.inferences();
        fake.mood(Mood::CloseMidway);
        let why = failed(session.run(&[&numbers(1)]));
        assert!(why.contains("the connection broke"), "{why}");
        assert_eq!(fake.inferences(), before + 2);
        fake.mood(Mood::Good);
        session.run(&[&numbers(1)]).unwrap();
    }
}

#[test]
fn refusals_are_not_tried_again_and_show_no_secret() {
    for fake in all(&pixels_said()) {
        let settings = Settings { token: Some(Secret::new("hunter2")), ..settings(&fake) };
        let (_remote, session) = session(&settings);
        let before = fake.inferences();
        fake.mood(Mood::Refuse);
        let why = failed(session.run(&[&numbers(1)]));
        assert_eq!(fake.state.headers.lock().unwrap()["authorization"], "Bearer hunter2");
        assert!(why.contains("it refuses") && why.contains("bad request of Bearer …"), "{why}");
        assert!(!why.contains("hunter2") && !why.contains('\u{1b}'), "{why}");
        fake.mood(Mood::Unauthorized);
        let why = failed(session.run(&[&numbers(1)]));
        assert!(why.contains("it does not let this caller in; check `token`: who are you"), "{why}");
        assert_eq!(fake.inferences(), before + 2);
    }
}

#[test]
fn a_busy_server_is_busy_and_does_not_count_as_failing() {
    for fake in all(&pixels_said()) {
        let (remote, session) = session(&Settings { failures: 1, ..settings(&fake) });
        fake.mood(Mood::Busy);
        match session.run(&[&numbers(1)]) {
            Err(RunError::Busy(why)) => assert!(why.contains("it has too much to do"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(remote.lost(), None);
    }
}

#[test]
fn one_more_than_in_flight_is_refused_at_once() {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&Settings { in_flight: 2, ..settings(&fake) });
        fake.mood(Mood::Stall);
        let before = fake.inferences();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| failed(session.run(&[&numbers(1)])));
            }
            while fake.inferences() < before + 2 {
                std::thread::yield_now();
            }
            match session.run(&[&numbers(1)]) {
                Err(RunError::Busy(why)) => {
                    assert!(
                        why.ends_with("2 inferences are under way, which is all `in_flight` allows"),
                        "{why}"
                    );
                }
                other => panic!("{other:?}"),
            }
        });
        fake.mood(Mood::Good);
        session.run(&[&numbers(1)]).unwrap();
    }
}

#[test]
fn failures_in_a_row_lose_the_server_until_a_probe_finds_it_well() {
    for fake in all(&pixels_said()) {
        let (remote, session) = session(&Settings { failures: 2, retries: 0, ..settings(&fake) });
        fake.mood(Mood::Unavailable);
        failed(session.run(&[&numbers(1)]));
        fake.mood(Mood::Good);
        session.run(&[&numbers(1)]).unwrap();
        fake.mood(Mood::Unavailable);
        failed(session.run(&[&numbers(1)]));
        let lost = session.run(&[&numbers(1)]);
        let Err(RunError::Lost(why)) = &lost else { panic!("{lost:?}") };
        assert!(why.ends_with("; 2 failures in a row, it counts as lost"), "{why}");
        assert_eq!(remote.lost().as_ref(), Some(why));
        let before = fake.inferences();
        assert_eq!(session.run(&[&numbers(1)]), lost);
        assert_eq!(fake.inferences(), before, "nothing is sent to a lost server");

        fake.state.said.lock().unwrap().model_ready = false;
        let why = remote.probe().unwrap_err();
        assert!(why.contains("model `echo`: it is not ready"), "{why}");
        assert!(remote.lost().is_some());
        fake.state.said.lock().unwrap().model_ready = true;
        fake.mood(Mood::Good);
        remote.probe().unwrap();
        assert_eq!(remote.lost(), None);
        session.run(&[&numbers(1)]).unwrap();
    }
}

#[test]
fn a_server_that_goes_away_is_lost_without_a_panic() {
    for fake in all(&pixels_said()) {
        let (remote, session) = session(&Settings { failures: 2, ..settings(&fake) });
        let url = fake.url.clone();
        drop(fake);
        failed(session.run(&[&numbers(1)]));
        match session.run(&[&numbers(1)]) {
            Err(RunError::Lost(why)) => {
                assert!(why.starts_with(&format!("remote `{url}`: model `echo`: ")), "{why}");
            }
            other => panic!("{other:?}"),
        }
        let why = remote.probe().unwrap_err();
        assert!(why.contains("check that the server runs and listens there"), "{why}");
    }
}

#[test]
fn a_probe_notices_that_the_model_is_another_one() {
    for fake in all(&pixels_said()) {
        let (remote, _session) = session(&settings(&fake));
        remote.probe().unwrap();
        fake.state.said.lock().unwrap().version = "2".to_owned();
        let why = remote.probe().unwrap_err();
        assert!(
            why.ends_with("the model on the server has changed since it was loaded; load it again"),
            "{why}"
        );
    }
}

#[test]
fn connections_are_kept() {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&settings(&fake));
        for _ in 0..20 {
            session.run(&[&numbers(1)]).unwrap();
        }
        assert_eq!(fake.state.connections.load(Ordering::SeqCst), 1, "{}", fake.url);
    }
}

#[test]
fn a_kept_connection_that_the_server_closed_costs_no_try() {
    let fake = Fake::http(pixels_said());
    let (_remote, session) = session(&Settings { retries: 0, ..settings(&fake) });
    for _ in 0..20 {
        session.run(&[&numbers(1)]).unwrap();
        fake.hang_up();
    }
}

#[test]
fn a_session_runs_within_an_async_task_and_is_dropped_there() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for fake in all(&pixels_said()) {
        let (remote, session) = session(&settings(&fake));
        runtime.block_on(async move {
            session.run(&[&numbers(1)]).unwrap();
            drop(session);
            drop(remote);
        });
    }
}

#[test]
fn the_words_of_a_server_are_cut_and_cleaned() {
    let token = Secret::new("hunter2");
    assert_eq!(said(" no\u{202e} such\nmodel. ", None), "no  such model");
    assert_eq!(said("Bearer hunter2 hunter2", Some(&token)), "Bearer … …");
    assert_eq!(said(&"x".repeat(5000), None), format!("{}…", "x".repeat(MOST_LETTERS)));
}
