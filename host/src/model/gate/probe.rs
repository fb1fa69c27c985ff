//! What back ends are asked to prove themselves on.
//!
//! Noise reaches every weight; streaks (runs of one value) have edges and flat parts as pictures have, and
//! drive activations where noise averages out; the lowest value everywhere (a black picture) finds divisions
//! by zero and logarithms of nothing, the highest (a white one) what grows beyond its type; and the natural pictures of the caller are what a trained model answers
//! with confidence. All are fixed: the same on every machine and at every start.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::tensor::{Array, Element, Port, Values};

/// Raised when the probes, the bounds or the way of comparing change: cached verdicts of another are void.
pub(super) const VERSION: u32 = 2;

/// What an input takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::model) enum Fill {
    /// Anything between two numbers, both included.
    Between(f64, f64),
    /// This and nothing else: the size of a picture, a threshold.
    Only(Array),
}

impl Fill {
    /// What a tensor of this type takes where nothing is known of it: 0 ..= 1, bytes all of them.
    pub(in crate::model) fn usual(element: Element) -> Fill {
        match element {
            Element::Uint8 => Fill::Between(0.0, 255.0),
            Element::Int8 => Fill::Between(-128.0, 127.0),
            _ => Fill::Between(0.0, 1.0),
        }
    }
}

/// Inputs that every candidate is asked about.
#[derive(Clone)]
pub(super) struct Probe {
    /// `natural picture 1`, `noise 2`.
    pub(super) name: String,
    make: Make,
}

#[derive(Clone)]
enum Make {
    Given(Arc<Vec<Array>>),
    Noise(u64),
    Streaks(u64),
    Lowest,
    Highest,
}

/// All probes, the ones that show most first.
pub(super) fn probes(natural: &[Arc<Vec<Array>>]) -> Vec<Probe> {
    let mut probes: Vec<Probe> = Vec::new();
    for (index, inputs) in natural.iter().enumerate() {
        probes.push(Probe {
            name: format!("natural picture {}", index + 1),
            make: Make::Given(Arc::clone(inputs)),
        });
    }
    for seed in [1, 2] {
        probes.push(Probe { name: format!("noise {seed}"), make: Make::Noise(seed) });
    }
    probes.push(Probe { name: "streaks".to_owned(), make: Make::Streaks(3) });
    probes.push(Probe { name: "black".to_owned(), make: Make::Lowest });
    probes.push(Probe { name: "white".to_owned(), make: Make::Highest });
    probes
}

impl Probe {
    /// Its inputs, in the order of `ports`.
    pub(super) fn inputs(&self, ports: &[Port], fills: &[Fill]) -> Vec<Array> {
        let make = |(index, port): (usize, &Port)| {
            let usual = Fill::usual(port.element);
            let (low, high) = match fills.get(index).unwrap_or(&usual) {
                Fill::Only(array) => return array.clone(),
                Fill::Between(low, high) => (*low, *high),
            };
            let salt = index as u64;
            let many = port.shape.iter().product();
            let unit = |at: usize| match &self.make {
                Make::Noise(seed) => random(*seed + (salt << 32), at as u64),
                Make::Streaks(seed) => random(*seed + (salt << 32), at as u64 / 16),
                Make::Given(_) | Make::Lowest => 0.0,
                Make::Highest => 1.0,
            };
            Array {
                shape: port.shape.clone(),
                values: values(port.element, many, |at| (unit(at), low, high)),
            }
        };
        match &self.make {
            Make::Given(inputs) => inputs.to_vec(),
            _ => ports.iter().enumerate().map(make).collect(),
        }
    }

    /// The same inputs, each floating-point value moved by up to `part` of the largest: a reference whose
    /// answer jumps then stands between two answers and can convict nobody.
    pub(super) fn nudged(&self, ports: &[Port], fills: &[Fill], part: f64) -> Option<Vec<Array>> {
        let mut inputs = self.inputs(ports, fills);
        let mut moved = false;
        for (index, array) in inputs.iter_mut().enumerate() {
            if matches!(fills.get(index), Some(Fill::Only(_))) {
                continue;
            }
            if let Values::F32(values) = &mut array.values {
                let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                for (at, value) in values.iter_mut().enumerate() {
                    let by = (random(97 + index as u64, at as u64) * 2.0 - 1.0) * part;
                    *value += largest * by as f32;
                }
                moved |= largest > 0.0;
            }
        }
        moved.then_some(inputs)
    }
}

/// A number in 0 .. 1 that depends on `seed` and `at` alone (splitmix64, Steele et al. 2014).
fn random(seed: u64, at: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(at.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// `many` values of a type, the one at each place from (0 .. 1, lowest, highest).
fn values(element: Element, many: usize, at: impl Fn(usize) -> (f64, f64, f64)) -> Values {
    let real = |index| {
        let (unit, low, high) = at(index);
        low + unit * (high - low)
    };
    let whole = |index| {
        let (unit, low, high) = at(index);
        (low + unit * (high - low + 1.0)).floor().clamp(low, high)
    };
    let all = 0..many;
    match element {
        Element::Float32 => Values::F32(all.map(|index| real(index) as f32).collect()),
        Element::Float64 => Values::F64(all.map(real).collect()),
        Element::Float16 => Values::F16(all.map(|index| real_to_half(real(index))).collect()),
        Element::Int8 => Values::I8(all.map(|index| whole(index) as i8).collect()),
        Element::Int16 => Values::I16(all.map(|index| whole(index) as i16).collect()),
        Element::Int32 => Values::I32(all.map(|index| whole(index) as i32).collect()),
        Element::Int64 => Values::I64(all.map(|index| whole(index) as i64).collect()),
        Element::Uint8 => Values::U8(all.map(|index| whole(index) as u8).collect()),
        Element::Uint16 => Values::U16(all.map(|index| whole(index) as u16).collect()),
        Element::Uint32 => Values::U32(all.map(|index| whole(index) as u32).collect()),
        Element::Uint64 => Values::U64(all.map(|index| whole(index) as u64).collect()),
        Element::Bool => Values::Bool(all.map(|index| whole(index) >= 0.5).collect()),
    }
}

/// The bits of a binary16 near `value`; what is too small is 0, what is too large infinite.
pub(super) fn real_to_half(value: f64) -> u16 {
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    let size = value.abs();
    if size.is_nan() {
        return 0x7e00;
    }
    if size < 2_f64.powi(-14) {
        return sign | (size * 2_f64.powi(24)).round() as u16;
    }
    if size >= 65520.0 {
        return sign | 0x7c00;
    }
    let exponent = size.log2().floor() as i32;
    let fraction = ((size / 2_f64.powi(exponent) - 1.0) * 1024.0).round() as i32;
    // A fraction that was rounded up to 1 carries into the exponent, as it should.
    sign | (((exponent + 15) << 10) + fraction) as u16
}
