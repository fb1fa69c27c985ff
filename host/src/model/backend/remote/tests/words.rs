//! Settings, their ranges, and numbers as they travel.

use super::super::values::{
    Datatype, bf16, f16, from_bf16, from_f16, read_bytes, read_json, write_bytes, write_json,
};
use super::*;

fn refused(change: impl FnOnce(&mut Settings)) -> String {
    let mut settings = Settings::new("http://localhost:8000", "person");
    change(&mut settings);
    settings.check().unwrap_err()
}

#[test]
fn the_defaults_pass() {
    for url in ["http://h", "https://h:1/a/b/", "grpc://10.0.0.7:8001", "grpcs://[::1]:8001"] {
        Settings::new(url, "person").check().unwrap();
    }
}

#[test]
fn every_setting_has_a_range_that_its_error_names() {
    type Change = fn(&mut Settings);
    let cases: [(&str, Change); 9] = [
        ("timeout: 0ns is not within 1ms to 60s", |it| it.timeout = Duration::ZERO),
        ("connect_timeout: 61s is not within 10ms to 60s", |it| it.connect_timeout = Duration::from_secs(61)),
        ("retries: 6 is not within 0 to 5", |it| it.retries = 6),
        ("in_flight: 0 is not within 1 to 64", |it| it.in_flight = 0),
        ("failures: 0 is not within 1 to 100", |it| it.failures = 0),
        ("response_bytes: 1 is not within 65536 to 1073741824", |it| it.response_bytes = 1),
        ("model: it has to be 1 to 256 printable characters", |it| it.model = "..".to_owned()),
        ("version: it has to be 1 to 256 printable characters", |it| it.version = Some(String::new())),
        ("token: it is empty, too long or has characters a header cannot carry", |it| {
            it.token = Some(Secret::new("a\r\nb"));
        }),
    ];
    for (words, change) in cases {
        assert_eq!(refused(change), words);
    }
}

#[test]
fn an_address_that_cannot_be_one_is_refused() {
    for (url, words) in [
        ("10.0.0.7:8001", "url: no scheme"),
        ("ftp://h", "url: the scheme `ftp` is unknown"),
        ("http://", "url: empty host"),
        ("http://user:hunter2@h", "url: a name or password does not belong in it; use `token`"),
        ("http://h/?key=1", "url: `?` and `#` do not belong in it"),
        ("grpc://h:8001/v2", "url: gRPC has no path"),
        ("grpc://h:99999", "url: invalid port number"),
    ] {
        let words_had = refused(|settings| url.clone_into(&mut settings.url));
        assert!(words_had.starts_with(words), "{words_had}");
        assert!(!words_had.contains("hunter2"));
        let error = Remote::connect(&Settings::new(url, "person")).err().unwrap();
        assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn json_and_grpc_do_not_go_together() {
    let words = refused(|settings| {
        settings.url = "grpc://h:8001".to_owned();
        settings.encoding = Encoding::Json;
    });
    assert_eq!(words, "encoding: JSON is for `http://` and `https://`; gRPC has none");
}

#[test]
fn a_token_does_not_travel_in_the_clear() {
    let token = |url: &str| Settings { token: Some(Secret::new("hunter2")), ..Settings::new(url, "person") };
    for open in ["http://10.0.0.7:8000", "grpc://models.lan:8001"] {
        let words = token(open).check().unwrap_err();
        assert!(words.contains("in the clear") && !words.contains("hunter2"), "{words}");
    }
    for fine in ["https://10.0.0.7", "grpcs://models.lan", "http://127.0.0.1:8000", "grpc://localhost:8001"] {
        token(fine).check().unwrap();
    }
}

#[test]
fn settings_do_not_print_their_token() {
    let settings = Settings { token: Some(Secret::new("hunter2")), ..Settings::new("https://h", "person") };
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn every_half_is_read_and_written_back_the_same() {
    for bits in 0..=u16::MAX {
        let value = from_f16(bits);
        if value.is_nan() {
            assert!(from_f16(f16(value)).is_nan());
        } else {
            assert_eq!(f16(value), bits, "{value}");
        }
        let value = from_bf16(bits);
        if value.is_nan() {
            assert!(from_bf16(bf16(value)).is_nan());
        } else {
            assert_eq!(bf16(value), bits, "{value}");
        }
    }
}

#[test]
fn a_half_is_the_nearest_and_the_even_of_two() {
    assert_eq!(f16(1.0), 0x3c00);
    assert_eq!(f16(65504.0), 0x7bff);
    assert_eq!(f16(65519.996), 0x7bff);
    assert_eq!(f16(65520.0), 0x7c00);
    assert_eq!(f16(f32::NEG_INFINITY), 0xfc00);
    assert_eq!(f16(-0.0), 0x8000);
    assert_eq!(bf16(f32::MAX), 0x7f80);
    // Between every two neighbours: just below the middle, the middle, just above it.
    for bits in 0..0x7bffu16 {
        let (low, high) = (from_f16(bits), from_f16(bits + 1));
        let middle = low + (high - low) / 2.0;
        let even = if bits % 2 == 0 { bits } else { bits + 1 };
        assert_eq!(f16(middle), even, "{middle}");
        assert_eq!(f16(middle.next_down()), bits);
        assert_eq!(f16(middle.next_up()), bits + 1);
    }
}

fn every_type() -> Vec<Values> {
    vec![
        Values::F32(vec![0.1, -f32::MIN_POSITIVE, f32::MAX, 1e-45]),
        Values::F64(vec![0.1, -f64::MIN_POSITIVE, f64::MAX, 5e-324]),
        Values::F16(vec![0, 0x3c00, 0x8001]),
        Values::I8(vec![i8::MIN, 0, i8::MAX]),
        Values::I16(vec![i16::MIN, 0, i16::MAX]),
        Values::I32(vec![i32::MIN, 0, i32::MAX]),
        Values::I64(vec![i64::MIN, 0, i64::MAX]),
        Values::U8(vec![0, 200, u8::MAX]),
        Values::U16(vec![0, 200, u16::MAX]),
        Values::U32(vec![0, 200, u32::MAX]),
        Values::U64(vec![0, 200, u64::MAX]),
        Values::Bool(vec![true, false, true]),
    ]
}

#[test]
fn every_type_comes_back_from_bytes() {
    for values in every_type() {
        let datatype = Datatype::Same(values.element());
        let mut bytes = Vec::new();
        write_bytes(&values, datatype, &mut bytes);
        assert_eq!(bytes.len(), values.len() * values.element().size());
        assert_eq!(read_bytes(&bytes, datatype, values.element()).unwrap(), values);
        assert_eq!(Datatype::named(datatype.as_str()), Some(datatype));
    }
}

#[test]
fn every_type_but_halves_comes_back_from_json() {
    for values in every_type() {
        let datatype = Datatype::Same(values.element());
        let mut bytes = Vec::new();
        if values.element() == Element::Float16 {
            write_json(&values, &mut bytes).unwrap_err();
            continue;
        }
        write_json(&values, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        assert_eq!(read_json(&text, datatype, values.len()).unwrap(), values, "{text}");
    }
}

#[test]
fn nested_json_is_read_in_order() {
    let values = read_json("[[1, 2.5],\n [3e0, -4]]", Datatype::Same(Element::Float32), 4).unwrap();
    assert_eq!(values, Values::F32(vec![1.0, 2.5, 3.0, -4.0]));
}

#[test]
fn numbers_a_type_has_not_are_refused() {
    for (text, element) in [
        ("[1, null]", Element::Float32),
        ("[1, 1e39]", Element::Float32),
        ("[1, \"2\"]", Element::Float32),
        ("[1, {}]", Element::Float32),
        ("[1, 256]", Element::Uint8),
        ("[1, 2.5]", Element::Int64),
        ("[true, 1]", Element::Bool),
    ] {
        let why = read_json(text, Datatype::Same(element), 2).unwrap_err();
        assert!(why.starts_with("value 1 of its data is"), "{text}: {why}");
    }
    let why = read_json("[1, 2, 3]", Datatype::Same(Element::Float32), 2).unwrap_err();
    assert_eq!(why, "its data has more than 2 values");
    read_bytes(&[0, 1, 2], Datatype::Same(Element::Bool), Element::Bool).unwrap_err();
}
