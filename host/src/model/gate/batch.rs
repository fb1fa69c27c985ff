//! Several pictures in one inference: inputs joined along the first axis, outputs split along it.

use crate::model::tensor::{Array, Values};

macro_rules! each_kind {
    ($values:expr, $name:ident => $same:expr) => {
        match $values {
            Values::F32($name) => Values::F32($same),
            Values::F16($name) => Values::F16($same),
            Values::F64($name) => Values::F64($same),
            Values::I8($name) => Values::I8($same),
            Values::I16($name) => Values::I16($same),
            Values::I32($name) => Values::I32($same),
            Values::I64($name) => Values::I64($same),
            Values::U8($name) => Values::U8($same),
            Values::U16($name) => Values::U16($same),
            Values::U32($name) => Values::U32($same),
            Values::U64($name) => Values::U64($same),
            Values::Bool($name) => Values::Bool($same),
        }
    };
}

/// Joins the inputs of several questions. None where they do not fit together.
pub(in crate::model) fn join(questions: &[&[Array]]) -> Option<Vec<Array>> {
    let first = *questions.first()?;
    let one = |input: usize| {
        let like = &first[input];
        let mut shape = like.shape.clone();
        *shape.first_mut()? *= questions.len();
        let parts: Vec<&Array> = questions.iter().map(|arrays| arrays.get(input)).collect::<Option<_>>()?;
        if parts.iter().any(|part| part.shape != like.shape || part.values.element() != like.values.element())
        {
            return None;
        }
        let mut joined = empty_like(&like.values, like.values.len() * questions.len());
        for part in parts {
            extend(&mut joined, &part.values);
        }
        Some(Array { shape, values: joined })
    };
    (0..first.len()).map(one).collect()
}

/// Splits the outputs of `many` questions asked together. None where an output's first axis is no multiple.
pub(in crate::model) fn split(outputs: Vec<Array>, many: usize) -> Option<Vec<Vec<Array>>> {
    let mut answers: Vec<Vec<Array>> = (0..many).map(|_| Vec::with_capacity(outputs.len())).collect();
    for output in outputs {
        let mut shape = output.shape;
        let axis = shape.first_mut()?;
        if many == 0 || *axis == 0 || !axis.is_multiple_of(many) || !output.values.len().is_multiple_of(many)
        {
            return None;
        }
        *axis /= many;
        let size = output.values.len() / many;
        for (index, answer) in answers.iter_mut().enumerate() {
            let from = index * size;
            let values = each_kind!(&output.values, values => values[from..from + size].to_vec());
            answer.push(Array { shape: shape.clone(), values });
        }
    }
    Some(answers)
}

fn empty_like(values: &Values, capacity: usize) -> Values {
    each_kind!(values, like => same_type(like, capacity))
}

/// Room for `capacity` values of the type that `like` has.
fn same_type<T>(_like: &[T], capacity: usize) -> Vec<T> {
    Vec::with_capacity(capacity)
}

fn extend(to: &mut Values, from: &Values) {
    match (to, from) {
        (Values::F32(to), Values::F32(from)) => to.extend_from_slice(from),
        (Values::F16(to), Values::F16(from)) | (Values::U16(to), Values::U16(from)) => {
            to.extend_from_slice(from);
        }
        (Values::F64(to), Values::F64(from)) => to.extend_from_slice(from),
        (Values::I8(to), Values::I8(from)) => to.extend_from_slice(from),
        (Values::I16(to), Values::I16(from)) => to.extend_from_slice(from),
        (Values::I32(to), Values::I32(from)) => to.extend_from_slice(from),
        (Values::I64(to), Values::I64(from)) => to.extend_from_slice(from),
        (Values::U8(to), Values::U8(from)) => to.extend_from_slice(from),
        (Values::U32(to), Values::U32(from)) => to.extend_from_slice(from),
        (Values::U64(to), Values::U64(from)) => to.extend_from_slice(from),
        (Values::Bool(to), Values::Bool(from)) => to.extend_from_slice(from),
        // `join` has compared the types.
        _ => {}
    }
}

/// What several pictures at once are good for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Batching {
    /// Pictures that take the least time each; 1 where it gains nothing.
    pub(in crate::model) best: usize,
    /// Milliseconds of one picture alone.
    pub(in crate::model) alone_ms: f64,
    /// Milliseconds of each of `best`.
    pub(in crate::model) each_ms: f64,
}

/// Least gain for which pictures are put together: they wait for each other, and copying costs too.
const GAIN: f64 = 0.9;

impl Batching {
    /// The best of what was measured: (pictures, milliseconds of all of them).
    pub(in crate::model) fn best(measured: impl IntoIterator<Item = (usize, f64)>) -> Option<Batching> {
        let each = |(pictures, all): (usize, f64)| (pictures, all / pictures as f64);
        let measured: Vec<(usize, f64)> =
            measured.into_iter().filter(|(many, _)| *many > 0).map(each).collect();
        let alone_ms = measured.iter().find(|(pictures, _)| *pictures == 1)?.1;
        let best = measured.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(if best.1 <= alone_ms * GAIN {
            Batching { best: best.0, alone_ms, each_ms: best.1 }
        } else {
            Batching { best: 1, alone_ms, each_ms: alone_ms }
        })
    }
}
