//! Publishes what a model finds: one event `detections` a frame, also where there is nothing, so that
//! frames can be counted. The instrument to measure models and the host with.
//!
//! Models: one or more; the first is asked. Params: `threshold` (float), the least score.

use transom_sdk::{Color, Event, Frame, FrameInfo, Model, ModelError, Plugin, Setup, marks, metrics};

struct Detections {
    model: Model,
    threshold: f32,
}

impl Plugin for Detections {
    fn configure(setup: Setup) -> Result<Self, String> {
        let threshold = setup.float("threshold")? as f32;
        Ok(Detections { model: setup.first_model()?, threshold })
    }

    fn on_frame(&mut self, frame: &Frame, _: &FrameInfo) -> Result<(), String> {
        let found = match self.model.detect(frame, None, Some(self.threshold)) {
            // No event: the frame was not looked at, which is something else than an empty one.
            Err(ModelError::Busy) => {
                metrics::add("busy", 1.0);
                return Ok(());
            }
            answer => answer?,
        };
        if marks::watched() {
            for thing in &found {
                marks::rectangle(thing.region, self.model.label(thing.label), Color::of(thing.label));
            }
        }
        Event::new("detections").detections(&self.model, &found).publish()?;
        Ok(())
    }
}

transom_sdk::export!(Detections);
