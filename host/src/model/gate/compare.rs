//! Whether two back ends said the same.
//!
//! Floating-point answers differ in their last digits: sums are taken in another order, convolutions by
//! another algorithm. So values are compared within a bound relative to the *size of what they belong to*,
//! not to themselves (a value near zero that comes of cancellation has no digits worth comparing) and not
//! to the whole tensor (one with box corners up to 640 and scores up to 1 would let any score pass). What a
//! value belongs to is the smallest of the slices through it, one along each axis, that hold at least
//! [`SLICE`] values: its channel, its class, its row. A slice that is all but zero next to the rest of its
//! tensor counts as a hundredth of it, so that noise in an idle channel is no error.
//!
//! The bound is a thousandth for 32-bit arithmetic. Rounding alone gives about 1e-6 after a layer and 1e-5
//! after a network; a fast convolution (Winograd) costs another digit. An operator that is wrong gives 1e-1
//! and more. 16-bit and TF32 arithmetic have 11 bits: a hundredth.
//!
//! Whole numbers (class indices, masks) are equal or not: one in a thousand may differ, as where two classes
//! tie; 8-bit values that are one step off are roundings of one real number and may be one in a hundred.

use crate::model::tensor::{Array, Values, shown};

/// How a back end calculates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::model) enum Precision {
    /// IEEE 754 binary32 throughout.
    Full,
    /// 16-bit values, or multiplications of 11 bits (binary16, TF32).
    Half,
}

impl Precision {
    /// Largest error of a floating-point value, relative to the size of what it belongs to.
    pub(in crate::model) fn bound(self) -> f64 {
        match self {
            Precision::Full => 1e-3,
            Precision::Half => 1e-2,
        }
    }

    /// Share of whole numbers that may differ.
    fn share(self) -> f64 {
        self.bound()
    }
}

/// Fewest values a slice must have for its largest to say what size they are of.
const SLICE: usize = 64;
/// The part of the tensor's largest value that an idle slice counts as.
const IDLE: f64 = 0.01;
/// What an all but empty tensor counts as: with it, 1e-7 is never an error.
const NOTHING: f64 = 1e-4;

/// How far two answers that agree are apart.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::model) struct Apart {
    /// The largest error, relative as the bound is; of whole numbers the share that differs.
    pub(in crate::model) relative: f64,
    /// The largest difference as it is.
    pub(in crate::model) absolute: f64,
}

/// How two answers differ.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::model) struct Differs {
    /// The largest relative error, where it is a number.
    pub(in crate::model) relative: Option<f64>,
    /// For people.
    pub(in crate::model) why: String,
}

impl Differs {
    fn of(why: String) -> Self {
        Differs { relative: None, why }
    }
}

/// An array's values, as they are compared.
pub(super) enum Numbers {
    /// Floating point.
    Real(Vec<f64>),
    /// Whole numbers; unsigned 64-bit ones by their bits.
    Whole(Vec<i64>),
}

pub(super) fn numbers(values: &Values) -> Numbers {
    fn whole<T: Copy + Into<i64>>(values: &[T]) -> Numbers {
        Numbers::Whole(values.iter().map(|value| (*value).into()).collect())
    }
    match values {
        Values::F32(values) => Numbers::Real(values.iter().map(|value| f64::from(*value)).collect()),
        Values::F64(values) => Numbers::Real(values.clone()),
        Values::F16(values) => Numbers::Real(values.iter().map(|bits| half_to_real(*bits)).collect()),
        Values::I8(values) => whole(values),
        Values::I16(values) => whole(values),
        Values::I32(values) => whole(values),
        Values::I64(values) => whole(values),
        Values::U8(values) => whole(values),
        Values::U16(values) => whole(values),
        Values::U32(values) => whole(values),
        Values::U64(values) => {
            Numbers::Whole(values.iter().map(|value| i64::from_ne_bytes(value.to_ne_bytes())).collect())
        }
        Values::Bool(values) => whole(values),
    }
}

/// IEEE 754 binary16 from its bits.
pub(super) fn half_to_real(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}

/// What each value of an array is to be measured by.
pub(super) fn sizes(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let magnitude = |value: f64| if value.is_finite() { value.abs() } else { 0.0 };
    let largest = values.iter().fold(0.0_f64, |most, value| most.max(magnitude(*value)));
    let mut sizes = vec![largest; values.len()];
    let mut inner = values.len();
    for axis in shape.iter().copied() {
        if axis == 0 {
            break;
        }
        inner /= axis;
        if axis == 1 || values.len() / axis < SLICE {
            continue;
        }
        let mut most = vec![0.0_f64; axis];
        let walk = || (0..values.len() / inner).map(|block| (block % axis, block * inner));
        for (index, from) in walk() {
            let slice = values[from..from + inner].iter();
            most[index] = slice.fold(most[index], |most, value| most.max(magnitude(*value)));
        }
        for (index, from) in walk() {
            for size in &mut sizes[from..from + inner] {
                *size = size.min(most[index]);
            }
        }
    }
    let least = (largest * IDLE).max(NOTHING);
    for size in &mut sizes {
        *size = size.max(least);
    }
    sizes
}

/// Compares what a back end answered with what the reference did, output by output.
pub(in crate::model) fn compare_all(
    names: &[String],
    reference: &[Array],
    answer: &[Array],
    precision: Precision,
) -> Result<Apart, Differs> {
    if reference.len() != answer.len() {
        return Err(Differs::of(format!(
            "it gives {} outputs where the reference gives {}",
            answer.len(),
            reference.len()
        )));
    }
    let mut apart = Apart::default();
    for (index, (reference, answer)) in reference.iter().zip(answer).enumerate() {
        let name = names.get(index).map_or("", String::as_str);
        let one = compare(reference, answer, precision)
            .map_err(|differs| Differs { why: format!("output `{name}`: {}", differs.why), ..differs })?;
        apart.relative = apart.relative.max(one.relative);
        apart.absolute = apart.absolute.max(one.absolute);
    }
    Ok(apart)
}

/// Compares one output.
pub(in crate::model) fn compare(
    reference: &Array,
    answer: &Array,
    precision: Precision,
) -> Result<Apart, Differs> {
    let (wants, has) = (reference.values.element(), answer.values.element());
    if wants != has {
        return Err(Differs::of(format!("it is {}, the reference's is {}", has.as_str(), wants.as_str())));
    }
    if reference.shape != answer.shape || reference.values.len() != answer.values.len() {
        return Err(Differs::of(format!(
            "it is {}, the reference's is {}",
            shown(&answer.shape),
            shown(&reference.shape)
        )));
    }
    match (numbers(&reference.values), numbers(&answer.values)) {
        (Numbers::Real(wants), Numbers::Real(has)) => {
            let bound =
                if reference.values.element().size() == 2 { Precision::Half } else { precision }.bound();
            compare_real(&reference.shape, &wants, &has, bound)
        }
        (Numbers::Whole(wants), Numbers::Whole(has)) => {
            compare_whole(&reference.shape, &wants, &has, wants_rounding(reference), precision.share())
        }
        _ => Err(Differs::of("its type is another".to_owned())),
    }
}

/// Whether a value is a rounded real number where it is a whole one.
fn wants_rounding(array: &Array) -> bool {
    matches!(array.values, Values::U8(_) | Values::I8(_))
}

fn compare_real(shape: &[usize], wants: &[f64], has: &[f64], bound: f64) -> Result<Apart, Differs> {
    let sizes = sizes(shape, wants);
    let mut apart = Apart::default();
    let (mut wrong, mut worst) = (0_usize, 0_usize);
    for (index, (wants, has)) in wants.iter().zip(has).enumerate() {
        if !wants.is_finite() || !has.is_finite() {
            // The same infinity, or no number on both sides.
            if wants == has || (wants.is_nan() && has.is_nan()) {
                continue;
            }
            return Err(Differs::of(format!(
                "it is {has} at {} where the reference's is {wants}",
                place(shape, index)
            )));
        }
        let off = (wants - has).abs();
        let relative = off / sizes[index];
        apart.absolute = apart.absolute.max(off);
        wrong += usize::from(relative > bound);
        if relative > apart.relative {
            (apart.relative, worst) = (relative, index);
        }
    }
    if wrong == 0 {
        return Ok(apart);
    }
    Err(Differs {
        relative: Some(apart.relative),
        why: format!(
            "{} of its values are off by more than {bound} of their size; the worst is {} at {} where the \
             reference's is {}",
            share(wrong, wants.len()),
            brief(has[worst]),
            place(shape, worst),
            brief(wants[worst])
        ),
    })
}

fn compare_whole(
    shape: &[usize],
    wants: &[i64],
    has: &[i64],
    rounded: bool,
    may: f64,
) -> Result<Apart, Differs> {
    let mut apart = Apart::default();
    let (mut differ, mut steps, mut first) = (0_usize, 0_usize, None);
    for (index, (wants, has)) in wants.iter().zip(has).enumerate() {
        let off = wants.abs_diff(*has);
        if off == 0 {
            continue;
        }
        apart.absolute = apart.absolute.max(off as f64);
        if rounded && off == 1 {
            steps += 1;
        } else {
            differ += 1;
            first = first.or(Some(index));
        }
    }
    let all = wants.len() as f64;
    let room = |part: f64| (all * part).floor() as usize;
    apart.relative = (differ + steps) as f64 / all.max(1.0);
    if differ <= room(may) && steps <= room(may.max(0.01)) {
        return Ok(apart);
    }
    let example = first.map_or_else(String::new, |index| {
        format!("; at {} it is {} where the reference's is {}", place(shape, index), has[index], wants[index])
    });
    Err(Differs {
        relative: Some(apart.relative),
        why: format!("{} of its values differ{example}", share(differ + steps, wants.len())),
    })
}

/// `12 of 100`, or a share of many.
fn share(part: usize, all: usize) -> String {
    if all < 1000 { format!("{part} of {all}") } else { format!("{:.2} %", part as f64 / all as f64 * 100.0) }
}

/// A number in few digits.
fn brief(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) {
        format!("{value:.4}")
    } else {
        format!("{value:.2e}")
    }
}

/// Where in a tensor a value lies: `[0, 5, 77]`.
fn place(shape: &[usize], index: usize) -> String {
    let mut rest = index;
    let mut at: Vec<String> = Vec::with_capacity(shape.len());
    for size in shape.iter().rev() {
        at.push((rest % (*size).max(1)).to_string());
        rest /= (*size).max(1);
    }
    at.reverse();
    format!("[{}]", at.join(", "))
}
