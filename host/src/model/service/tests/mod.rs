mod fair;
mod fallback;
mod queue;
mod together;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{BackOff, Limits, Runner, Service};
use crate::model::backend::Backend as _;
use crate::model::gate::standin::{StandIn, answer, candidates, lanes, patience, question};
use crate::model::gate::{Gate, Question, label};
use crate::model::tensor::{Array, Values};

/// What an owner was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn limits() -> Limits {
    Limits { lanes: 2, waiting: 64, run: Duration::from_secs(2), company: Duration::ZERO }
}

/// A runner that asks the first of `all` first: by name, for times are what a busy machine makes them.
fn runner(question: &Question, all: &[&Arc<StandIn>], back_off: Duration) -> (Runner, Told) {
    let told = Told::default();
    let wanted = all.first().map(|first| label(first.device()));
    let question = Question { wanted, ..question.clone() };
    let verdict =
        Gate::new(None, patience(), lanes()).judge(&question, &candidates(all), None, &|_| {}).unwrap();
    let say = told.clone();
    let back_off = BackOff { first: back_off, longest: back_off * 4 };
    (Runner::new(verdict, back_off, Arc::new(move |line| say.0.lock().unwrap().push(line))), told)
}

const NEVER: Duration = Duration::from_secs(3_600);

fn fill(inputs: &mut [Array], seed: usize) {
    let Values::F32(pixels) = &mut inputs[0].values else { panic!("it is float32") };
    for (at, pixel) in pixels.iter_mut().enumerate() {
        *pixel = ((at * 7 + seed * 13) % 29) as f32 / 29.0;
    }
}

fn right(seed: usize) -> Vec<Array> {
    let port = &question().inputs[0];
    let many = port.shape.iter().product();
    let mut inputs = vec![Array { shape: port.shape.clone(), values: Values::F32(vec![0.0; many]) }];
    fill(&mut inputs, seed);
    answer(&inputs[0], 0.0)
}

/// Asks and insists on the right answer.
fn ask(service: &Service, app: &super::App, runner: &Runner, seed: usize) -> super::Answer<usize> {
    let answer = service.ask::<_, ()>(app, runner, |inputs| {
        fill(inputs, seed);
        Ok(seed)
    });
    let answer = answer.unwrap();
    assert_eq!(answer.prepared, seed);
    assert_eq!(answer.outputs, right(seed));
    answer
}
