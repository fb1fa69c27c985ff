//! Back ends that behave as they are told, for tests of the gate and of the service.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::{Candidate, Fill, Here, MakeLane, Patience, Precision, Question};
use crate::model::backend::{Backend, Device, DeviceKind, RunError, Session, Source};
use crate::model::onnx::Graph;
use crate::model::tensor::{Array, Element, Port, Values};

/// How a stand-in behaves. As made, it is right, and as fast as it can be.
#[derive(Debug, Clone, Default)]
pub(in crate::model) struct Manner {
    pub(in crate::model) refuses: Option<&'static str>,
    pub(in crate::model) panics_at_load: bool,
    pub(in crate::model) hangs_at_load: bool,
    /// Runs after which it does as `then` says; 0: at once. None: never.
    pub(in crate::model) after: Option<usize>,
    pub(in crate::model) then: Then,
    /// Part by which its values are off.
    pub(in crate::model) off: f32,
    pub(in crate::model) wrong: Wrong,
    /// But on an even picture, its class hangs on the last digits of a score.
    pub(in crate::model) ties: bool,
    pub(in crate::model) batches: bool,
    /// Gives nothing, at once.
    pub(in crate::model) idle: bool,
    /// Time of a run, however many pictures.
    pub(in crate::model) takes: Duration,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::model) enum Then {
    #[default]
    Lost,
    Failed,
    Busy,
    Panics,
    Hangs,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::model) enum Wrong {
    #[default]
    No,
    /// One value of the first output.
    OneValue,
    NotANumber,
    Shape,
    Type,
    FewerOutputs,
    /// The class, but not the scores.
    Class,
    /// Only with several pictures.
    InBatches,
    /// Another answer each time.
    Random,
    /// What is not a number in every answer, whatever the input.
    NothingButNan,
    /// Only where a pixel is near 1.
    Bright,
    /// The same answer whatever the input.
    Constant,
}

pub(in crate::model) struct StandIn {
    device: Device,
    pub(in crate::model) manner: std::sync::Mutex<Manner>,
    pub(in crate::model) loads: AtomicUsize,
    pub(in crate::model) runs: Arc<AtomicUsize>,
    pub(in crate::model) pictures: Arc<AtomicUsize>,
}

struct Playing {
    manner: Manner,
    runs: Arc<AtomicUsize>,
    pictures: Arc<AtomicUsize>,
    begun: usize,
}

pub(in crate::model) fn standin(
    backend: &'static str,
    name: &str,
    kind: DeviceKind,
    manner: Manner,
) -> Arc<StandIn> {
    Arc::new(StandIn {
        device: Device { backend, version: "1.0".to_owned(), name: name.to_owned(), kind },
        manner: std::sync::Mutex::new(manner),
        loads: AtomicUsize::new(0),
        runs: Arc::default(),
        pictures: Arc::default(),
    })
}

pub(in crate::model) fn candidates(all: &[&Arc<StandIn>]) -> Vec<Candidate> {
    let candidate = |one: &&Arc<StandIn>| {
        let backend: Arc<dyn Backend> = Arc::<StandIn>::clone(one);
        Candidate { backend, precision: Precision::Full }
    };
    all.iter().map(candidate).collect()
}

/// Pixels of a side.
pub(in crate::model) const SIDE: usize = 12;
/// A pixel that no stand-in runs.
pub(in crate::model) const POISON: f32 = -12345.0;
/// Values of the first output.
pub(in crate::model) const SCORES: usize = 10;

pub(in crate::model) fn question() -> Question {
    Question {
        name: "gate".to_owned(),
        digest: "71731c96251fa9cc9e98ee3e744df9c2c887a84cd8344cb915618a17f7a8a33b".to_owned(),
        graph: Arc::new(Graph::default()),
        bytes: Bytes::new(),
        inputs: vec![Port {
            name: "image".to_owned(),
            element: Element::Float32,
            shape: vec![1, 3, SIDE, SIDE],
        }],
        outputs: vec!["scores".to_owned(), "class".to_owned()],
        threads: 1,
        fills: vec![Fill::Between(-1.0, 1.0)],
        natural: Vec::new(),
        wanted: None,
        thorough: true,
    }
}

/// Waits that let a test with a hanging stand-in end.
pub(in crate::model) fn patience() -> Patience {
    Patience {
        load: Duration::from_secs(2),
        run: Duration::from_secs(2),
        timing: Duration::from_millis(50),
        runs: 5,
    }
}

pub(in crate::model) fn lanes() -> MakeLane {
    Arc::new(|| Box::new(Here))
}

/// The answer: ten weighted sums of the pixels of each picture, and the place of the largest.
pub(in crate::model) fn answer(input: &Array, off: f32) -> Vec<Array> {
    let Values::F32(pixels) = &input.values else { panic!("a test feeds it float32") };
    let batch = input.shape[0];
    let (mut scores, mut classes) = (Vec::new(), Vec::new());
    for picture in pixels.chunks(pixels.len() / batch) {
        let sum = |class: usize| {
            let weigh = |(at, pixel): (usize, &f32)| pixel * ((at * 31 + class * 17) % 23) as f32 / 23.0;
            picture.iter().enumerate().map(weigh).sum::<f32>() * (1.0 + off)
        };
        let sums: Vec<f32> = (0..SCORES).map(sum).collect();
        let best = (0..SCORES).fold(0, |best, at| if sums[at] > sums[best] { at } else { best });
        scores.extend(sums);
        classes.push(best as i64);
    }
    vec![
        Array { shape: vec![batch, SCORES], values: Values::F32(scores) },
        Array { shape: vec![batch], values: Values::I64(classes) },
    ]
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

impl Backend for StandIn {
    fn device(&self) -> &Device {
        &self.device
    }

    fn load(&self, _: &Source<'_>) -> Result<Box<dyn Session>, String> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let manner = self.manner.lock().unwrap().clone();
        if manner.hangs_at_load {
            hang();
        }
        assert!(!manner.panics_at_load, "told to panic at load");
        match manner.refuses {
            Some(why) => Err(why.to_owned()),
            None => Ok(Box::new(Playing {
                manner,
                begun: self.runs.load(Ordering::Relaxed),
                runs: Arc::clone(&self.runs),
                pictures: Arc::clone(&self.pictures),
            })),
        }
    }
}

impl Session for Playing {
    fn run(&self, inputs: &[&Array]) -> Result<Vec<Array>, RunError> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        if self.manner.idle {
            let none = |values| Array { shape: vec![1], values };
            return Ok(vec![none(Values::F32(vec![1.0])), none(Values::I64(vec![1]))]);
        }
        let batch = inputs[0].shape[0];
        self.pictures.fetch_add(batch, Ordering::Relaxed);
        if !self.manner.takes.is_zero() {
            std::thread::sleep(self.manner.takes);
        }
        if self.manner.after.is_some_and(|after| run - self.begun >= after) {
            match self.manner.then {
                Then::Lost => return Err(RunError::Lost("the device is gone".to_owned())),
                Then::Failed => return Err(RunError::Failed("node `Conv_0` failed".to_owned())),
                Then::Busy => return Err(RunError::Busy("its queue is full".to_owned())),
                Then::Panics => panic!("told to panic"),
                Then::Hangs => hang(),
            }
        }
        let mut outputs = answer(inputs[0], self.manner.off);
        let Values::F32(pixels) = &inputs[0].values else { panic!("a test feeds it float32") };
        if pixels.contains(&POISON) {
            return Err(RunError::Failed("node `Conv_0`: poison".to_owned()));
        }
        let bright = pixels.iter().any(|pixel| *pixel > 0.999);
        if let [scores, classes, ..] = &mut outputs[..]
            && let (Values::F32(values), Values::I64(class)) = (&mut scores.values, &mut classes.values)
        {
            if self.manner.ties && pixels[0] != pixels[40] {
                class[0] = i64::from(values[0].to_bits() % 7);
            }
            match self.manner.wrong {
                Wrong::OneValue => values[7] += 1.0,
                Wrong::Constant => (values.fill(1.0), class.fill(1)).0,
                Wrong::NotANumber => values[3] = f32::NAN,
                Wrong::Class => class[0] = (class[0] + 1) % SCORES as i64,
                Wrong::InBatches if batch > 1 => values.rotate_left(SCORES),
                Wrong::Random => values[0] += run as f32,
                Wrong::NothingButNan => values.fill(f32::NAN),
                Wrong::Bright if bright => values[0] *= 1.5,
                Wrong::Shape => scores.shape = vec![SCORES, batch],
                Wrong::Type => {
                    classes.values = Values::I32(class.iter().map(|class| *class as i32).collect());
                }
                _ => {}
            }
        }
        if self.manner.wrong == Wrong::FewerOutputs {
            outputs.pop();
        }
        Ok(outputs)
    }

    fn batches(&self) -> bool {
        self.manner.batches
    }

    fn memory(&self) -> u64 {
        3 << 20
    }
}
