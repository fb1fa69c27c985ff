//! A few of the reference's answers, kept: what a back end must still say before it is believed again, at a
//! later start or when it comes back after it was lost.

use serde::{Deserialize, Serialize};

use super::compare::{Differs, Numbers, Precision, numbers, sizes};
use crate::model::tensor::{Array, Values};

/// Values kept of an output.
const SAMPLES: usize = 512;

/// What the reference said to one probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Proof {
    /// Index of the probe.
    pub(super) probe: usize,
    /// Whether the reference says the same when asked twice; where not, there is nothing to compare with.
    steady: bool,
    outputs: Vec<Sampled>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sampled {
    shape: Vec<usize>,
    element: String,
    /// Place, value and what the value is measured by (see [`super::compare`]). Whole numbers are measured by 0.
    values: Vec<(usize, f64, f64)>,
}

impl Proof {
    pub(super) fn of(probe: usize, outputs: &[Array], steady: bool) -> Proof {
        let sampled = |array: &Array| {
            let many = array.values.len();
            let step = many.div_ceil(SAMPLES).max(1);
            let mut places: Vec<usize> = (0..many).step_by(step).collect();
            let values = match numbers(&array.values) {
                Numbers::Real(values) => {
                    let sizes = sizes(&array.shape, &values);
                    // The largest is what the others are measured by.
                    let largest = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
                    if many > 0 {
                        places.push((0..many).fold(0, largest));
                    }
                    // JSON has no infinities; where one stands it is not looked at.
                    places.retain(|at| values[*at].is_finite());
                    places.iter().map(|at| (*at, values[*at], sizes[*at])).collect()
                }
                Numbers::Whole(values) => places.iter().map(|at| (*at, values[*at] as f64, 0.0)).collect(),
            };
            let element = array.values.element().as_str().to_owned();
            Sampled { shape: array.shape.clone(), element, values }
        };
        Proof { probe, steady, outputs: outputs.iter().map(sampled).collect() }
    }

    /// Whether a back end still says what the reference said.
    pub(super) fn check(&self, outputs: &[Array], precision: Precision) -> Result<(), Differs> {
        let differs = |why: String| Err(Differs { relative: None, why });
        if !self.steady {
            return Ok(());
        }
        if outputs.len() != self.outputs.len() {
            return differs(format!("it gives {} outputs, not {}", outputs.len(), self.outputs.len()));
        }
        for (wants, has) in self.outputs.iter().zip(outputs) {
            if wants.shape != has.shape || wants.element != has.values.element().as_str() {
                return differs("an output has another type or shape than it had".to_owned());
            }
            let half = matches!(has.values, Values::F16(_));
            let bound = if half { Precision::Half } else { precision }.bound();
            let rounded = matches!(has.values, Values::U8(_) | Values::I8(_));
            let values = numbers(&has.values);
            let mut wrong = 0;
            for (at, value, size) in &wants.values {
                wrong += usize::from(match &values {
                    Numbers::Real(values) => match values.get(*at) {
                        Some(has) => !has.is_finite() || (has - value).abs() > bound * size,
                        None => true,
                    },
                    Numbers::Whole(values) => match values.get(*at) {
                        Some(has) => (*has as f64 - value).abs() > if rounded { 1.0 } else { 0.0 },
                        None => true,
                    },
                });
            }
            // Whole numbers may differ where two answers tie; the samples are too few to tell a share of a thousand.
            let may = if matches!(values, Numbers::Whole(_)) { wants.values.len() / 100 } else { 0 };
            if wrong > may {
                return differs(format!(
                    "{wrong} of {} values it was asked for again differ from what the reference said",
                    wants.values.len()
                ));
            }
        }
        Ok(())
    }
}
