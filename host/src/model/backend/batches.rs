//! Whether a graph takes more pictures at a time than it was loaded with.
//!
//! A graph may leave its first axis open and still have a batch of one written into a Reshape, or mix its
//! pictures (a softmax over axis 0, a non-maximum suppression over all). So it is not believed: two
//! different pictures must give together what each gives alone.

use super::super::onnx::{Graph, Size};
use super::super::tensor::{Array, Port, Values};
use super::Session;

/// Largest difference between a picture's values alone and in a batch, for values about 1.
const CLOSE: f64 = 1e-3;

/// Whether the graph leaves open, under one name, the first axis of every input and of every output asked
/// for, and was given one picture.
pub(super) fn declared(graph: &Graph, inputs: &[Port], outputs: &[String]) -> bool {
    let first = |shape: &Option<Vec<Size>>| match shape.as_deref() {
        Some([Size::Open(name), ..]) => Some(name.clone()),
        _ => None,
    };
    let mut names = graph.inputs.iter().map(|input| first(&input.shape));
    let Some(Some(name)) = names.next() else { return false };
    names.all(|other| other.as_ref() == Some(&name))
        && inputs.iter().all(|port| port.shape.first() == Some(&1))
        && outputs.iter().all(|wanted| {
            let output = graph.outputs.iter().find(|output| output.name == *wanted);
            // The exporter's name of an output's axis may differ; that it is open is asked for, the rest tried.
            output.is_some_and(|output| first(&output.shape).is_some())
        })
}

/// Runs two pictures alone and together. `false` wherever anything fails or differs.
pub(super) fn tried(session: &dyn Session, inputs: &[Port]) -> bool {
    let one: Vec<Array> = inputs.iter().map(|port| pattern(port, 1)).collect();
    let other: Vec<Array> = inputs.iter().map(|port| pattern(port, 5)).collect();
    let both: Option<Vec<Array>> = one.iter().zip(&other).map(|(one, other)| joined(one, other)).collect();
    let Some(both) = both else { return false };
    let run = |arrays: &[Array]| session.run(&arrays.iter().collect::<Vec<_>>()).ok();
    let (Some(one), Some(other), Some(both)) = (run(&one), run(&other), run(&both)) else { return false };
    one.iter().zip(&other).zip(&both).all(|((one, other), both)| {
        joined(one, other)
            .is_some_and(|wanted| wanted.shape == both.shape && close(&wanted.values, &both.values))
    })
}

/// Values between 0 and 1, different for every seed; for integers, zeros and ones.
pub(super) fn pattern(port: &Port, seed: u32) -> Array {
    use super::super::tensor::Element;
    let count = port.shape.iter().product();
    let mut state = seed.wrapping_mul(0x9e37_79b9);
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    macro_rules! bits {
        ($variant:ident) => {
            Values::$variant((0..count).map(|_| (next() & 1 == 1).into()).collect())
        };
    }
    let values = match port.element {
        Element::Float32 => Values::F32((0..count).map(|_| next() as f32 / 256.0).collect()),
        Element::Float64 => Values::F64((0..count).map(|_| f64::from(next()) / 256.0).collect()),
        // 0x3800 is 0.5: halves between 0.5 and 1.
        Element::Float16 => Values::F16((0..count).map(|_| 0x3800 + (next() as u16) * 4).collect()),
        Element::Uint8 => Values::U8((0..count).map(|_| next() as u8).collect()),
        Element::Int8 => bits!(I8),
        Element::Int16 => bits!(I16),
        Element::Int32 => bits!(I32),
        Element::Int64 => bits!(I64),
        Element::Uint16 => bits!(U16),
        Element::Uint32 => bits!(U32),
        Element::Uint64 => bits!(U64),
        Element::Bool => Values::Bool((0..count).map(|_| next() & 1 == 1).collect()),
    };
    Array { shape: port.shape.clone(), values }
}

/// One array behind the other along the first axis.
fn joined(one: &Array, other: &Array) -> Option<Array> {
    if one.shape.len() != other.shape.len() || one.shape.first()? != other.shape.first()? {
        return None;
    }
    let mut shape = one.shape.clone();
    *shape.first_mut()? *= 2;
    macro_rules! join {
        ($($variant:ident)*) => {
            match (&one.values, &other.values) {
                $((Values::$variant(one), Values::$variant(other)) => {
                    Values::$variant(one.iter().chain(other).copied().collect())
                })*
                _ => return None,
            }
        };
    }
    let values = join!(F32 F16 F64 I8 I16 I32 I64 U8 U16 U32 U64 Bool);
    Some(Array { shape, values })
}

fn close(wanted: &Values, got: &Values) -> bool {
    let near = |wanted: f64, got: f64| {
        wanted == got
            || (wanted - got).abs() <= CLOSE * (1.0 + wanted.abs())
            || wanted.is_nan() && got.is_nan()
    };
    match (wanted, got) {
        (Values::F32(wanted), Values::F32(got)) => {
            wanted.iter().zip(got).all(|(wanted, got)| near(f64::from(*wanted), f64::from(*got)))
        }
        (Values::F64(wanted), Values::F64(got)) => {
            wanted.iter().zip(got).all(|(wanted, got)| near(*wanted, *got))
        }
        (wanted, got) => wanted == got,
    }
}
