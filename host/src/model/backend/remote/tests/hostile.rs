//! Answers that must not be believed, nor fill the memory.

use super::*;

/// Each server, in this mood: the words of its failure, which must not be tried again.
fn each(mood: Mood, check: impl Fn(&str)) {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&Settings { timeout: Duration::from_secs(5), ..settings(&fake) });
        let before = fake.inferences();
        fake.mood(mood);
        let why = failed(session.run(&[&numbers(1)]));
        let start = format!("remote `{}`: model `echo`: ", fake.url);
        check(why.strip_prefix(&start).unwrap_or_else(|| panic!("{why}")));
        assert_eq!(fake.inferences(), before + 1);
        fake.mood(Mood::Good);
        session.run(&[&numbers(1)]).unwrap_or_else(|why| panic!("{} after {mood:?}: {why:?}", fake.url));
    }
}

#[test]
fn a_wrong_shape() {
    each(Mood::WrongShape, |why| {
        assert_eq!(why, "output `out_image` came with the shape 1x2x4, not 1x3x4");
    });
}

#[test]
fn a_wrong_rank() {
    each(Mood::WrongRank, |why| {
        assert_eq!(why, "output `out_image` came with the shape 12, not 1x3x4");
    });
}

#[test]
fn a_negative_size() {
    each(Mood::NegativeShape, |why| {
        assert_eq!(why, "output `out_image` came with the shape -1x3x4, not 1x3x4");
    });
}

#[test]
fn a_size_beyond_all_memory() {
    each(Mood::HugeShape, |why| {
        assert!(why.contains("came with the shape 9223372036854775807x3x4"), "{why}");
    });
}

#[test]
fn a_size_beyond_all_memory_where_sizes_are_open() {
    // An axis whose name no input has is open in the graph, too.
    let mut wanted = Wanted::echo(&[("image", Element::Float32, &["batch", "3", "4"])]);
    let (graph, bytes) = echo_graph(&[("image", Element::Float32, &["boxes", "3", "4"])]);
    let Ok(mut open) = Arc::try_unwrap(graph) else { panic!("shared") };
    let (Ok(mut closed), bytes_kept) = (Arc::try_unwrap(wanted.graph), bytes) else { panic!("shared") };
    std::mem::swap(&mut open.outputs, &mut closed.outputs);
    wanted.graph = Arc::new(closed);
    wanted.bytes = bytes_kept;
    for fake in all(&pixels_said()) {
        let remote = Remote::connect(&Settings { response_bytes: 1 << 20, ..settings(&fake) }).unwrap();
        let session = wanted.load(&remote).unwrap();
        session.run(&[&numbers(1)]).unwrap();
        fake.mood(Mood::HugeShape);
        let why = failed(session.run(&[&numbers(1)]));
        assert!(why.ends_with("output `out_image` came with more than 1048576 bytes"), "{why}");
        fake.mood(Mood::Endless);
        let why = failed(session.run(&[&numbers(1)]));
        assert!(why.contains("its answer is longer than the"), "{why}");
    }
}

#[test]
fn a_wrong_type() {
    each(Mood::WrongType, |why| assert_eq!(why, "output `out_image` came as FP64, not as FP32"));
}

#[test]
fn values_too_few() {
    each(Mood::TooFew, |why| {
        assert!(
            why == "output `out_image` has 11 values, its shape needs 12"
                || why == "output `out_image`: it has 44 bytes, its shape needs 48"
                || why == "output `out_image` has 44 bytes, its shape needs 48"
                || why.contains("bytes that belong to no output"),
            "{why}"
        );
    });
}

#[test]
fn values_too_many() {
    each(Mood::TooMany, |why| {
        assert!(
            why == "output `out_image`: its data has more than 12 values"
                || why == "its answer has 4 bytes that belong to no output"
                || why == "output `out_image` has 52 bytes, its shape needs 48",
            "{why}"
        );
    });
}

#[test]
fn a_missing_output() {
    each(Mood::MissingOutput, |why| {
        assert_eq!(why, "output `out_image` is missing; it answered with `another`");
    });
}

#[test]
fn outputs_by_the_thousand() {
    each(Mood::ManyOutputs, |why| {
        assert!(
            why.contains("its answer is longer than the") || why.contains("it answers with 5001 outputs"),
            "{why}"
        );
    });
}

#[test]
fn something_else_than_the_protocol() {
    each(Mood::Malformed, |why| {
        assert!(
            why.contains("its answer is no such JSON") || why.contains("its answer is malformed"),
            "{why}"
        );
    });
}

#[test]
fn a_body_without_end() {
    each(Mood::Endless, |why| {
        assert!(why.ends_with("bytes that its outputs can need"), "{why}");
    });
}

#[test]
fn a_length_beyond_what_outputs_need() {
    each(Mood::DeclaredLong, |why| {
        assert!(
            why.ends_with("bytes that its outputs can need") || why.ends_with("not the 4294967295 it says"),
            "{why}"
        );
    });
}

#[test]
fn a_compressed_answer() {
    each(Mood::Compressed, |why| assert_eq!(why, "its answer is compressed, which was not asked for"));
}

#[test]
fn headers_without_measure() {
    for fake in all(&pixels_said()) {
        let (_remote, session) = session(&Settings { retries: 0, ..settings(&fake) });
        fake.mood(Mood::HugeHeaders);
        let why = failed(session.run(&[&numbers(1)]));
        assert!(
            why.contains("its headers are longer than 16384 bytes") || why.contains("the connection broke"),
            "{why}"
        );
        fake.mood(Mood::Good);
        session.run(&[&numbers(1)]).unwrap();
    }
}

#[test]
fn a_redirect_is_not_followed() {
    each(Mood::Redirect, |why| {
        assert!(
            why == "it redirects (307) to `http://10.9.9.9/`, which is not followed; give the address itself in `url`"
                || why.starts_with("it answers HTTP 307 Temporary Redirect, not gRPC"),
            "{why}"
        );
    });
}

#[test]
fn random_answers_do_no_harm() {
    // xorshift: the same bytes each time.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let expected = [Expected {
        name: "o".to_owned(),
        element: Element::Float32,
        datatype: super::super::values::Datatype::Same(Element::Float32),
        shape: Some(vec![Some(1), Some(2)]),
    }];
    let good = super::super::grpc::frame(&grpc::InferResponse {
        outputs: vec![grpc::Tensor {
            name: "o".to_owned(),
            datatype: "FP32".to_owned(),
            shape: vec![1, 2],
            contents: None,
        }],
        raw_output_contents: vec![Bytes::from_static(&[0; 8])],
    });
    let json =
        br#"{"outputs":[{"name":"o","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}"#;
    let answer = |body: Vec<u8>, json: Option<usize>| {
        let mut headers = http::HeaderMap::new();
        if let Some(length) = json {
            headers.insert("inference-header-content-length", length.into());
        }
        Answer { status: http::StatusCode::OK, headers, body: body.into(), trailers: http::HeaderMap::new() }
    };
    assert!(grpc::outputs(&answer(good.to_vec(), None), &expected, 8).is_ok());
    let whole = [json.as_slice(), &[0; 8]].concat();
    assert!(rest::outputs(&answer(whole.clone(), Some(json.len())), &expected, 8).is_ok());
    for _ in 0..20_000 {
        let mut body = good.to_vec();
        let mut other = whole.clone();
        for _ in 0..=random() % 3 {
            let (place, value) = (random() as usize, random() as u8);
            let length = body.len();
            body[place % length] = value;
            let length = other.len();
            other[place % length] = value;
        }
        body.truncate(body.len() - (random() % 4) as usize);
        drop(grpc::outputs(&answer(body, None), &expected, 8));
        let cut = json.len() + (random() % 3) as usize;
        drop(rest::outputs(&answer(other, Some(cut)), &expected, 8));
    }
}
