//! Plugins in this process, with a model that has answered already and frames that hold nothing to see.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use transom::base::{Clock, Notices};
use transom::frame::{Color, Frame, Memo, Pool, Region};
use transom::plugin::{
    Camera, ClassMap, ClassScore, Detection, Limits, ModelError, ModelInfo, Models, Param, ParamValue, Pose,
    Setup, Tensor,
};

/// What the indices in a model's answers mean.
pub(crate) const LABELS: [&str; 2] = ["person", "bicycle"];

/// Answers in turn, one a frame, by the frame's number in its stream.
pub(crate) type Scenes = Vec<Vec<Detection>>;

/// Every limit is looked at and none is met: as many as the machine manages are asked, not as many as a plugin
/// may.
pub(crate) const UNBOUND: Limits = Limits {
    memory_bytes: 64 << 20,
    deadline: Duration::from_millis(50),
    cpu: 1.0,
    call_bytes: 4 << 20,
    handles: 1_000,
    log_lines: 50,
    events: u32::MAX,
    event_bytes: u64::MAX >> 8,
    marks: u32::MAX,
    metrics: 100,
    inferences: u32::MAX,
    storage_writes: 20,
    http_requests: 10,
    http_concurrent: 4,
    http_bytes: 1 << 20,
    http_timeout: Duration::from_secs(10),
    port_bytes: 1 << 20,
};

/// A model that has answered already.
pub(crate) struct Answered {
    pub(crate) scenes: Scenes,
    pub(crate) busy: bool,
}

impl Answered {
    /// One that never finds anything.
    pub(crate) fn nothing() -> Self {
        Self { scenes: vec![Vec::new()], busy: false }
    }
}

impl Models for Answered {
    fn detect(
        &self,
        _: usize,
        frame: &Frame,
        _: Option<Region>,
        _: Option<f32>,
    ) -> Result<Vec<Detection>, ModelError> {
        if self.busy {
            return Err(ModelError::Busy);
        }
        Ok(self.scenes[frame.sequence as usize % self.scenes.len()].clone())
    }

    fn classify(
        &self,
        _: usize,
        _: &Frame,
        _: Option<Region>,
        _: u32,
    ) -> Result<Vec<ClassScore>, ModelError> {
        Ok(Vec::new())
    }

    fn keypoints(
        &self,
        _: usize,
        _: &Frame,
        _: Option<Region>,
        _: Option<f32>,
    ) -> Result<Vec<Pose>, ModelError> {
        Ok(Vec::new())
    }

    fn points(&self, _: usize) -> Vec<String> {
        Vec::new()
    }

    fn embed(&self, _: usize, _: &Frame, _: Option<Region>) -> Result<Vec<f32>, ModelError> {
        Ok(Vec::new())
    }

    fn segment(&self, _: usize, _: &Frame, _: Option<Region>) -> Result<ClassMap, ModelError> {
        Err(ModelError::Busy)
    }

    fn infer(&self, _: usize, _: &Frame, _: Option<Region>) -> Result<Vec<Tensor>, ModelError> {
        Ok(Vec::new())
    }
}

/// A frame of 16x16 pixels, which nobody is going to look at.
pub(crate) fn frame(sequence: u64, media_time_us: i64) -> Arc<Frame> {
    Arc::new(Frame {
        sequence,
        media_time_us,
        captured_at_us: 1_700_000_000_000_000,
        planes: Pool::default().take(16, 16),
        color: Color::default(),
        memo: Memo::default(),
    })
}

/// A param.
pub(crate) fn param(name: &str, value: ParamValue) -> Param {
    Param { name: name.to_owned(), value }
}

/// The param of all guests that look at detections.
pub(crate) fn threshold() -> Param {
    param("threshold", ParamValue::Float(0.5))
}

/// The params of `people-counter`; the line is level at half height.
pub(crate) fn counting() -> Vec<Param> {
    vec![threshold(), param("line", ParamValue::Text("0,0.5,1,0.5".to_owned()))]
}

/// All a plugin is given: one camera, one model, no ways out, nobody looking.
pub(crate) fn setup(name: &str, params: Vec<Param>, ask: Answered, limits: Limits) -> Setup {
    Setup {
        app: "bench".into(),
        name: name.into(),
        params,
        cameras: vec![Camera {
            name: "camera".to_owned(),
            stream: 0,
            title: "Camera".to_owned(),
            max_fps: 0.0,
        }],
        models: vec![ModelInfo { name: "detector".to_owned(), labels: LABELS.map(str::to_owned).to_vec() }],
        ask: Arc::new(ask),
        limits,
        live: true,
        storage: None,
        egress: None,
        evidence: None,
        watched: Arc::new(AtomicBool::new(false)),
        clock: Clock::system(),
        notices: Notices::none(),
    }
}
