//! Types and values as the protocol writes them: names, bytes in little-endian order, numbers in JSON.

use std::io::Write as _;
use std::str::FromStr;

use crate::model::tensor::{Element, Values};

/// Type of a tensor's values, as the protocol calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Same(Element),
    /// The upper half of a binary32. No [`Element`] has it: it stands for [`Element::Float32`].
    Bf16,
}

const NAMES: [(Element, &str); 12] = [
    (Element::Bool, "BOOL"),
    (Element::Uint8, "UINT8"),
    (Element::Uint16, "UINT16"),
    (Element::Uint32, "UINT32"),
    (Element::Uint64, "UINT64"),
    (Element::Int8, "INT8"),
    (Element::Int16, "INT16"),
    (Element::Int32, "INT32"),
    (Element::Int64, "INT64"),
    (Element::Float16, "FP16"),
    (Element::Float32, "FP32"),
    (Element::Float64, "FP64"),
];

impl Datatype {
    /// None: `BYTES`, or something else no model here has.
    pub(super) fn named(name: &str) -> Option<Self> {
        if name == "BF16" {
            return Some(Datatype::Bf16);
        }
        NAMES.iter().find(|(_, known)| *known == name).map(|(element, _)| Datatype::Same(*element))
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Datatype::Bf16 => "BF16",
            Datatype::Same(element) => {
                NAMES.iter().find(|(known, _)| *known == element).map_or("FP32", |(_, name)| name)
            }
        }
    }

    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Datatype::Bf16 => 2,
            Datatype::Same(element) => element.size(),
        }
    }

    /// 16-bit floats are in the protocol's bytes, not in its JSON nor in gRPC's typed contents.
    pub(super) fn only_as_bytes(self) -> bool {
        matches!(self, Datatype::Bf16 | Datatype::Same(Element::Float16))
    }

    /// Whether values of `element` can be sent and read as this, converted where `half` allows it.
    pub(super) fn carries(self, element: Element, half: bool) -> bool {
        match self {
            Datatype::Same(own) if own == element => true,
            Datatype::Bf16 | Datatype::Same(Element::Float16) => half && element == Element::Float32,
            Datatype::Same(_) => false,
        }
    }
}

/// Writes values as bytes. `datatype` has to carry them.
pub(super) fn write_bytes(values: &Values, datatype: Datatype, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + values.len() * datatype.size(), 0);
    let out = &mut out[start..];
    macro_rules! each {
        ($values:expr, $size:literal, $bytes:expr) => {
            for (place, value) in out.chunks_exact_mut($size).zip($values) {
                place.copy_from_slice(&$bytes(*value));
            }
        };
    }
    match (values, datatype) {
        (Values::F32(values), Datatype::Bf16) => each!(values, 2, |value| bf16(value).to_le_bytes()),
        (Values::F32(values), Datatype::Same(Element::Float16)) => {
            each!(values, 2, |value| f16(value).to_le_bytes());
        }
        (Values::F32(values), _) => each!(values, 4, f32::to_le_bytes),
        (Values::F16(values) | Values::U16(values), _) => each!(values, 2, u16::to_le_bytes),
        (Values::F64(values), _) => each!(values, 8, f64::to_le_bytes),
        (Values::I8(values), _) => each!(values, 1, i8::to_le_bytes),
        (Values::I16(values), _) => each!(values, 2, i16::to_le_bytes),
        (Values::I32(values), _) => each!(values, 4, i32::to_le_bytes),
        (Values::I64(values), _) => each!(values, 8, i64::to_le_bytes),
        (Values::U8(values), _) => out.copy_from_slice(values),
        (Values::U32(values), _) => each!(values, 4, u32::to_le_bytes),
        (Values::U64(values), _) => each!(values, 8, u64::to_le_bytes),
        (Values::Bool(values), _) => each!(values, 1, |value| [u8::from(value)]),
    }
}

/// Reads values from bytes, a whole number of them.
pub(super) fn read_bytes(bytes: &[u8], datatype: Datatype, element: Element) -> Result<Values, String> {
    macro_rules! each {
        ($kind:ident, $number:ident, $size:literal) => {
            Values::$kind(
                bytes.as_chunks::<$size>().0.iter().map(|four| $number::from_le_bytes(*four)).collect(),
            )
        };
    }
    let halves = || bytes.as_chunks::<2>().0.iter().map(|two| u16::from_le_bytes(*two));
    Ok(match (datatype, element) {
        (Datatype::Bf16, _) => Values::F32(halves().map(from_bf16).collect()),
        (Datatype::Same(Element::Float16), Element::Float32) => Values::F32(halves().map(from_f16).collect()),
        (Datatype::Same(Element::Float16), _) => Values::F16(halves().collect()),
        (Datatype::Same(Element::Float32), _) => each!(F32, f32, 4),
        (Datatype::Same(Element::Float64), _) => each!(F64, f64, 8),
        (Datatype::Same(Element::Int8), _) => each!(I8, i8, 1),
        (Datatype::Same(Element::Int16), _) => each!(I16, i16, 2),
        (Datatype::Same(Element::Int32), _) => each!(I32, i32, 4),
        (Datatype::Same(Element::Int64), _) => each!(I64, i64, 8),
        (Datatype::Same(Element::Uint8), _) => Values::U8(bytes.to_vec()),
        (Datatype::Same(Element::Uint16), _) => each!(U16, u16, 2),
        (Datatype::Same(Element::Uint32), _) => each!(U32, u32, 4),
        (Datatype::Same(Element::Uint64), _) => each!(U64, u64, 8),
        (Datatype::Same(Element::Bool), _) => match bytes.iter().find(|byte| **byte > 1) {
            Some(other) => return Err(format!("a byte of it is {other}, neither true (1) nor false (0)")),
            None => Values::Bool(bytes.iter().map(|byte| *byte == 1).collect()),
        },
    })
}

/// Writes values as a JSON array.
pub(super) fn write_json(values: &Values, out: &mut Vec<u8>) -> Result<(), String> {
    // Writing to memory does not fail.
    macro_rules! each {
        ($values:expr) => {
            for (index, value) in $values.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                drop(write!(out, "{comma}{value}"));
            }
        };
    }
    macro_rules! floats {
        ($values:expr) => {{
            if !$values.iter().all(|value| value.is_finite()) {
                return Err("it has NaN or an infinity, which JSON cannot carry; use gRPC, or `encoding` \
                            `binary`"
                    .to_owned());
            }
            // The shortest form that reads back the same, with an exponent where that is shorter.
            for (index, value) in $values.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                drop(write!(out, "{comma}{value:?}"));
            }
        }};
    }
    out.push(b'[');
    match values {
        Values::F32(values) => floats!(values),
        Values::F64(values) => floats!(values),
        Values::F16(_) => return Err("16-bit floats cannot travel as JSON".to_owned()),
        Values::I8(values) => each!(values),
        Values::I16(values) => each!(values),
        Values::I32(values) => each!(values),
        Values::I64(values) => each!(values),
        Values::U8(values) => each!(values),
        Values::U16(values) => each!(values),
        Values::U32(values) => each!(values),
        Values::U64(values) => each!(values),
        Values::Bool(values) => each!(values),
    }
    out.push(b']');
    Ok(())
}

/// Reads the values of a JSON array, nested or flat, at most `most` of them. `text` is known to be JSON.
pub(super) fn read_json(text: &str, datatype: Datatype, most: usize) -> Result<Values, String> {
    if !text.starts_with('[') {
        return Err("its data is not an array".to_owned());
    }
    macro_rules! each {
        ($kind:ident, $number:ty) => {
            Values::$kind(numbers::<$number>(text, most, |_| true)?)
        };
    }
    Ok(match datatype {
        Datatype::Bf16 | Datatype::Same(Element::Float16) => {
            return Err("its data has 16-bit floats as JSON, which the protocol has not".to_owned());
        }
        Datatype::Same(Element::Float32) => {
            Values::F32(numbers(text, most, |value: &f32| value.is_finite())?)
        }
        Datatype::Same(Element::Float64) => {
            Values::F64(numbers(text, most, |value: &f64| value.is_finite())?)
        }
        Datatype::Same(Element::Int8) => each!(I8, i8),
        Datatype::Same(Element::Int16) => each!(I16, i16),
        Datatype::Same(Element::Int32) => each!(I32, i32),
        Datatype::Same(Element::Int64) => each!(I64, i64),
        Datatype::Same(Element::Uint8) => each!(U8, u8),
        Datatype::Same(Element::Uint16) => each!(U16, u16),
        Datatype::Same(Element::Uint32) => each!(U32, u32),
        Datatype::Same(Element::Uint64) => each!(U64, u64),
        Datatype::Same(Element::Bool) => Values::Bool(numbers(text, most, |_: &bool| true)?),
    })
}

/// Brackets and commas are in the right places: a JSON parser has seen them.
fn numbers<T: FromStr>(text: &str, most: usize, allowed: impl Fn(&T) -> bool) -> Result<Vec<T>, String> {
    let mut values = Vec::new();
    let apart = |letter: char| matches!(letter, '[' | ']' | ',') || letter.is_ascii_whitespace();
    for token in text.split(apart).filter(|token| !token.is_empty()) {
        if values.len() == most {
            return Err(format!("its data has more than {most} values"));
        }
        match token.parse() {
            Ok(value) if allowed(&value) => values.push(value),
            _ => {
                return Err(format!(
                    "value {} of its data is `{}`, which its type has not",
                    values.len(),
                    super::said(token, None)
                ));
            }
        }
    }
    Ok(values)
}

/// Binary32 to binary16, to nearest, ties to even (IEEE 754).
pub(super) fn f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    let rounded = match magnitude {
        // NaN stays one, whatever bits are cut off.
        0x7f80_0001.. => 0x7e00,
        // 65520 and more are nearer to infinity than to 65504.
        0x477f_f000.. => 0x7c00,
        // From 2^-14 on: re-bias the exponent, then round away 13 bits. A carry goes into the exponent.
        0x3880_0000.. => {
            let rebiased = magnitude - (112 << 23);
            (rebiased + 0x0fff + (rebiased >> 13 & 1)) >> 13
        }
        // Subnormal: adding 0.5 puts the unit of the last place at 2^-24, and the processor rounds.
        _ => (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits(),
    };
    sign | rounded as u16
}

/// Binary16 to binary32, exactly.
pub(super) fn from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff);
    let value = match magnitude {
        0x7c00.. => 0x7f80_0000 | (magnitude & 0x3ff) << 13,
        0x0400.. => (magnitude << 13) + (112 << 23),
        // A multiple of 2^-24.
        _ => (magnitude as f32 * f32::from_bits((127 - 24) << 23)).to_bits(),
    };
    f32::from_bits(sign | value)
}

/// Binary32 to bfloat16, to nearest, ties to even.
pub(super) fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// Bfloat16 to binary32, exactly.
pub(super) fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
