//! What is found out before the first inference.

use super::*;

fn refused(fake: &Fake, wanted: &Wanted) -> String {
    let remote = Remote::connect(&settings(fake)).unwrap_or_else(|why| panic!("{why}"));
    let why = wanted.load(&remote).err().unwrap();
    let start = format!("remote `{}`: model `echo`: ", fake.url);
    why.strip_prefix(&start).unwrap_or_else(|| panic!("{why}")).to_owned()
}

#[test]
fn nobody_there() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["http", "https", "grpc", "grpcs"] {
        let settings = Settings::new(format!("{scheme}://127.0.0.1:{port}"), "echo");
        let why = Remote::connect(&settings).err().unwrap();
        let start = format!("remote `{scheme}://127.0.0.1:{port}`: cannot connect: ");
        assert!(
            why.starts_with(&start) && why.ends_with("check that the server runs and listens there"),
            "{why}"
        );
    }
}

#[test]
fn a_server_that_is_not_ready() {
    for fake in all(&Said { server_ready: false, ..pixels_said() }) {
        let why = Remote::connect(&settings(&fake)).err().unwrap();
        assert!(why.starts_with(&format!("remote `{}`: ", fake.url)), "{why}");
        assert!(why.contains("it refuses (400)") || why.contains("the server is not ready"), "{why}");
    }
}

#[test]
fn a_model_that_is_not_ready_says_why() {
    for fake in all(&Said { model_ready: false, ..pixels_said() }) {
        let why = Remote::connect(&settings(&fake)).err().unwrap();
        let words =
            "it is not ready; the server has it, as UNAVAILABLE: out of memory; check the server's log";
        assert_eq!(why, format!("remote `{}`: model `echo`: {words}", fake.url));
    }
}

#[test]
fn a_model_the_server_has_not_says_which_it_has() {
    let fake = Fake::http(pixels_said());
    let other = Settings { version: Some("3".to_owned()), ..Settings::new(&fake.url, "persn/../x") };
    let why = Remote::connect(&other).err().unwrap();
    assert!(why.contains("model `persn/../x` version `3`: it is not ready"), "{why}");
    assert!(why.ends_with("check its name: the server has `echo`"), "{why}");
}

#[test]
fn the_other_protocol_at_the_port() {
    let http = Fake::http(pixels_said());
    let wrong = Settings { retries: 0, ..Settings::new(http.url.replace("http:", "grpc:"), "echo") };
    let why =
        Remote::connect(&Settings { connect_timeout: Duration::from_millis(200), ..wrong }).err().unwrap();
    assert!(why.starts_with("remote `grpc://127.0.0.1:"), "{why}");
    let grpc = Fake::grpc(pixels_said());
    let wrong = Settings::new(grpc.url.replace("grpc:", "http:"), "echo");
    let why = Remote::connect(&wrong).err().unwrap();
    assert!(why.starts_with("remote `http://127.0.0.1:"), "{why}");
}

#[test]
fn an_input_by_another_name() {
    for fake in all(&Said::echo(&[("images", "FP32", &[-1, 3, 4])])) {
        let why = refused(&fake, &pixels());
        assert_eq!(why, "the server's model has no input `image`; it has `images` FP32 -1x3x4");
    }
}

#[test]
fn an_input_of_another_type() {
    for fake in all(&Said::echo(&[("image", "UINT8", &[-1, 3, 4])])) {
        let why = refused(&fake, &pixels());
        assert_eq!(
            why,
            "the file's input is `image` FP32 1x3x4, the server's `image` UINT8 -1x3x4: the types differ"
        );
    }
}

#[test]
fn an_input_of_another_shape() {
    for shape in [&[-1, 3, 5][..], &[-1, 3], &[-1, 3, 4, 1], &[-2, 3, 4], &[]] {
        for fake in all(&Said::echo(&[("image", "FP32", shape)])) {
            let why = refused(&fake, &pixels());
            assert!(why.ends_with(": the shapes differ"), "{why}");
        }
    }
}

#[test]
fn an_input_more() {
    for fake in all(&Said::echo(&[("image", "FP32", &[-1, 3, 4]), ("size", "INT64", &[2])])) {
        let why = refused(&fake, &pixels());
        assert_eq!(
            why,
            "the server's model also wants `size` INT64 2; the file's inputs are `image` FP32 1x3x4"
        );
    }
}

#[test]
fn an_output_by_another_name_of_another_type_of_another_shape() {
    let mut said = pixels_said();
    said.outputs[0].0 = "boxes".to_owned();
    for fake in all(&said) {
        assert_eq!(
            refused(&fake, &pixels()),
            "the server's model has no output `out_image`; it has `boxes` FP32 -1x3x4"
        );
    }
    let mut said = pixels_said();
    said.outputs[0].1 = "BYTES".to_owned();
    for fake in all(&said) {
        let why = refused(&fake, &pixels());
        assert!(why.ends_with("`out_image` BYTES -1x3x4 on the server: the types differ"), "{why}");
    }
    for shape in [vec![-1, 3, 5], vec![2, 3, 4], vec![-1, 12]] {
        let mut said = pixels_said();
        said.outputs[0].2 = shape;
        for fake in all(&said) {
            let why = refused(&fake, &pixels());
            assert!(why.ends_with("on the server: the shapes differ"), "{why}");
        }
    }
}

#[test]
fn a_server_that_says_nothing_of_its_tensors_is_tried() {
    for fake in all(&Said::echo(&[])) {
        let (_remote, session) = session(&settings(&fake));
        assert!(!session.batches());
        let given = numbers(1);
        assert_eq!(session.run(&[&given]).unwrap(), [given]);
        fake.mood(Mood::WrongShape);
        failed(session.run(&[&numbers(1)]));
    }
}

#[test]
fn a_first_inference_that_fails_fails_the_load() {
    for fake in all(&pixels_said()) {
        fake.mood(Mood::WrongShape);
        let why = refused(&fake, &pixels());
        assert_eq!(why, "a first inference failed: output `out_image` came with the shape 1x2x4, not 1x3x4");
    }
}

#[test]
fn outputs_larger_than_allowed() {
    let wanted = Wanted::echo(&[("x", Element::Float32, &["1", "100000"])]);
    for fake in all(&Said::echo(&[("x", "FP32", &[1, 100_000])])) {
        let remote = Remote::connect(&Settings { response_bytes: 64 << 10, ..settings(&fake) }).unwrap();
        let why = wanted.load(&remote).err().unwrap();
        assert!(why.ends_with("its outputs have 400000 bytes, `response_bytes` allows 65536"), "{why}");
    }
}
