//! Counts people, each once, and who goes in and out over a line.
//!
//! Models: a detector with the label `person`, or with one label only; the first is asked.
//! Params: `threshold` (float), the score from which a detection starts to be followed; `line` (text, may
//! be left out or empty), `ax,ay,bx,by` in fractions of the picture, by default level at half height. In is
//! from the left-hand to the right-hand side of the arrow from a to b: down the picture by default.
//!
//! Events: `person-counted` {total, track}, `line-crossed` {direction, in, out, track}, and at the end one
//! `summary` {people, in, out} over all cameras. Metrics: `people`, `in`, `out`.

mod scene;

use scene::{Scene, Totals};
use transom_sdk::line::Line;
use transom_sdk::{Detection, Event, Frame, FrameInfo, Model, ModelError, Plugin, Setup, metrics};

const DEFAULT_LINE: &str = "0,0.5,1,0.5";
/// Detections below this say nothing, not even that somebody followed is still there.
const WEAK: f32 = 0.1;

struct PeopleCounter {
    model: Model,
    person: u32,
    weak: f32,
    /// One a camera, in the order of the cameras.
    scenes: Vec<Scene>,
}

impl Plugin for PeopleCounter {
    fn configure(setup: Setup) -> Result<Self, String> {
        let threshold = setup.float("threshold")? as f32;
        let line = match setup.param("line") {
            Some(_) => setup.text("line")?.trim(),
            None => "",
        };
        let line = Line::parse(if line.is_empty() { DEFAULT_LINE } else { line })?;
        let model = setup.first_model()?;
        let person = match model.label_index("person") {
            Some(person) => person,
            None if model.labels().len() == 1 => 0,
            None => {
                return Err("the model has no label `person`; give the app one that finds people".to_owned());
            }
        };
        let scenes = setup.cameras().iter().map(|_| Scene::new(threshold, line)).collect();
        Ok(PeopleCounter { model, person, weak: WEAK.min(threshold), scenes })
    }

    fn on_frame(&mut self, frame: &Frame, info: &FrameInfo) -> Result<(), String> {
        let scene = self.scenes.get_mut(info.camera as usize).ok_or("a frame of a camera not configured")?;
        let found = match self.model.detect(frame, None, Some(self.weak)) {
            Err(ModelError::Busy) => {
                metrics::add("busy", 1.0);
                return Ok(());
            }
            answer => answer?,
        };
        let people: Vec<Detection> = found.into_iter().filter(|d| d.label == self.person).collect();
        scene.look(info.media_time_us, &people)
    }

    fn on_stop(&mut self) {
        let sum = self.scenes.iter().map(Scene::totals).fold(Totals::default(), Totals::plus);
        let summary = Event::new("summary")
            .number("people", sum.people)
            .number("in", sum.entered)
            .number("out", sum.left);
        if let Err(error) = summary.publish() {
            transom_sdk::error!("no summary: {}", String::from(error));
        }
    }
}

transom_sdk::export!(PeopleCounter);
