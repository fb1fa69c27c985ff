//! The one place where values of other types become the floats that are read.

use std::borrow::Cow;

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use crate::frame::AskError;
use crate::model::tensor::{Array, Element, Values, shown};

/// Values as 32-bit floats; no copy where they are.
pub(crate) fn floats(values: &Values) -> Cow<'_, [f32]> {
    match values {
        Values::F32(values) => Cow::Borrowed(values),
        Values::F16(bits) => {
            let mut floats = vec![0.0; bits.len()];
            bits.reinterpret_cast::<half::f16>().convert_to_f32_slice(&mut floats);
            Cow::Owned(floats)
        }
        Values::F64(values) => values.iter().map(|value| *value as f32).collect(),
        Values::I8(values) => values.iter().map(|value| f32::from(*value)).collect(),
        Values::I16(values) => values.iter().map(|value| f32::from(*value)).collect(),
        Values::I32(values) => values.iter().map(|value| *value as f32).collect(),
        Values::I64(values) => values.iter().map(|value| *value as f32).collect(),
        Values::U8(values) => values.iter().map(|value| f32::from(*value)).collect(),
        Values::U16(values) => values.iter().map(|value| f32::from(*value)).collect(),
        Values::U32(values) => values.iter().map(|value| *value as f32).collect(),
        Values::U64(values) => values.iter().map(|value| *value as f32).collect(),
        Values::Bool(values) => values.iter().map(|value| f32::from(u8::from(*value))).collect(),
    }
}

/// Values as whole numbers, exact; none where one is a fraction or no number.
pub(super) fn whole(values: &Values) -> Cow<'_, [i64]> {
    match values {
        Values::I64(values) => Cow::Borrowed(values),
        Values::I8(values) => values.iter().map(|value| i64::from(*value)).collect(),
        Values::I16(values) => values.iter().map(|value| i64::from(*value)).collect(),
        Values::I32(values) => values.iter().map(|value| i64::from(*value)).collect(),
        Values::U8(values) => values.iter().map(|value| i64::from(*value)).collect(),
        Values::U16(values) => values.iter().map(|value| i64::from(*value)).collect(),
        Values::U32(values) => values.iter().map(|value| i64::from(*value)).collect(),
        Values::U64(values) => values.iter().map(|value| i64::try_from(*value).unwrap_or(NOTHING)).collect(),
        Values::Bool(values) => values.iter().map(|value| i64::from(*value)).collect(),
        Values::F16(_) | Values::F32(_) | Values::F64(_) => {
            floats(values).iter().map(|value| class_number(*value)).collect()
        }
    }
}

/// No class.
pub(super) const NOTHING: i64 = -1;

/// A class that came as a float; [`NOTHING`] where it is no whole number.
pub(super) fn class_number(value: f32) -> i64 {
    // Above 2^24 a float is no certain whole number, and no model has as many classes.
    if value.fract() == 0.0 && value.abs() <= 16_777_216.0 { value as i64 } else { NOTHING }
}

/// One output as the trial run showed it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// Its place among the outputs.
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) element: Element,
    pub(super) shape: Vec<usize>,
}

impl Part {
    /// It, as people are told of it.
    pub(super) fn shown(&self) -> String {
        format!("output `{}` is {}", self.name, shown(&self.shape))
    }

    /// The output, whose shape must be that of the trial run.
    pub(super) fn same<'a>(&self, outputs: &'a [Array]) -> Result<&'a Values, AskError> {
        let array = self.any(outputs)?;
        if array.shape == self.shape { Ok(&array.values) } else { Err(self.changed(array)) }
    }

    /// The same as floats.
    pub(super) fn floats<'a>(&self, outputs: &'a [Array]) -> Result<Cow<'a, [f32]>, AskError> {
        self.same(outputs).map(floats)
    }

    /// The output, of whose axes only the one at `open` may have another size than in the trial run: how
    /// many rows there are is for the graph to say.
    pub(super) fn rows<'a>(
        &self,
        outputs: &'a [Array],
        open: usize,
    ) -> Result<(&'a Values, usize), AskError> {
        let array = self.any(outputs)?;
        let rank = array.shape.len() == self.shape.len();
        let mut axes = array.shape.iter().zip(&self.shape).enumerate();
        if !rank || axes.any(|(axis, (now, before))| axis != open && now != before) {
            return Err(self.changed(array));
        }
        Ok((&array.values, array.shape.get(open).copied().unwrap_or(1)))
    }

    fn any<'a>(&self, outputs: &'a [Array]) -> Result<&'a Array, AskError> {
        let array = outputs
            .get(self.at)
            .ok_or_else(|| AskError::Failed(format!("output `{}` did not come", self.name)))?;
        let values = array.shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        if values == Some(array.values.len()) { Ok(array) } else { Err(self.changed(array)) }
    }

    fn changed(&self, array: &Array) -> AskError {
        AskError::Failed(format!(
            "output `{}` came as {} with {} values; in the trial run it was {}",
            self.name,
            shown(&array.shape),
            array.values.len(),
            shown(&self.shape)
        ))
    }
}
