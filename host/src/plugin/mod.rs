//! Runs plugins. Owns the engine, their limits, grants and faults. Knows nothing of cameras or sinks: frames
//! come in, events and marks go out, and models are asked through [`Models`].
//!
//! A component is compiled apart ([`Compiler`]), and only what was granted is linked ([`Linked`]). What it
//! does is measured against its [`Limits`] and written in a ledger that outlives its faults. Its ways out of
//! the sandbox are rooms of their own, each with its own front page: `egress`, `ports`, `storage`.

mod bindings;
mod budget;
mod compile;
pub mod egress;
mod engine;
mod evidence;
mod fault;
mod grants;
mod guest;
mod instance;
mod ledger;
mod limits;
pub mod ports;
mod share;
pub mod storage;
mod supervisor;
mod ticker;
mod wasi;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use bindings::transom::app::models::{
    ClassMap, ClassScore, Detection, Keypoint, ModelError, Pose, Tensor,
};
pub use bindings::{Camera, ModelInfo, Param, ParamValue};
pub use compile::{Compiler, compile_apart};
pub use engine::{Engine, Program};
pub use evidence::Evidence;
pub use fault::{Fault, FaultKind};
pub use grants::{Linked, Need, Sheet};
pub use ledger::LimitReport;
pub use limits::Limits;
pub use supervisor::{Call, Plugin, PluginReport};

use crate::base::{Clock, Notices};
use crate::event::{Event, Mark};
use crate::frame::{Frame, Region};
use egress::Egress;
use storage::Storage;

/// The models one plugin may ask, in the order of [`Setup::models`]. Calls may take long; that time is not
/// counted against the plugin's deadline.
pub trait Models: Send + Sync {
    /// Things found; see `models.wit`.
    ///
    /// # Errors
    /// What the plugin is told.
    fn detect(
        &self,
        model: usize,
        frame: &Frame,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> Result<Vec<Detection>, ModelError>;

    /// The `top` most likely classes.
    ///
    /// # Errors
    /// What the plugin is told.
    fn classify(
        &self,
        model: usize,
        frame: &Frame,
        region: Option<Region>,
        top: u32,
    ) -> Result<Vec<ClassScore>, ModelError>;

    /// Things found, with their points.
    ///
    /// # Errors
    /// What the plugin is told.
    fn keypoints(
        &self,
        model: usize,
        frame: &Frame,
        region: Option<Region>,
        min_score: Option<f32>,
    ) -> Result<Vec<Pose>, ModelError>;

    /// What the points are called.
    fn points(&self, model: usize) -> Vec<String>;

    /// A vector of length 1.
    ///
    /// # Errors
    /// What the plugin is told.
    fn embed(&self, model: usize, frame: &Frame, region: Option<Region>) -> Result<Vec<f32>, ModelError>;

    /// What each part shows.
    ///
    /// # Errors
    /// What the plugin is told.
    fn segment(&self, model: usize, frame: &Frame, region: Option<Region>) -> Result<ClassMap, ModelError>;

    /// The output tensors.
    ///
    /// # Errors
    /// What the plugin is told.
    fn infer(&self, model: usize, frame: &Frame, region: Option<Region>) -> Result<Vec<Tensor>, ModelError>;
}

/// All a plugin is given.
#[derive(Clone)]
pub struct Setup {
    /// The app it belongs to.
    pub app: Arc<str>,
    /// Its name in the app.
    pub name: Arc<str>,
    /// Its params with their values.
    pub params: Vec<Param>,
    /// The streams it will see frames of.
    pub cameras: Vec<Camera>,
    /// The models it may ask.
    pub models: Vec<ModelInfo>,
    /// Who answers for them.
    pub ask: Arc<dyn Models>,
    /// What it may use.
    pub limits: Limits,
    /// Whether its streams are live: then a second is the machine's, else the streams' own.
    pub live: bool,
    /// Its keys and values, where they were granted.
    pub storage: Option<Arc<Storage>>,
    /// Its way out, where hosts were granted.
    pub egress: Option<Arc<Egress>>,
    /// Where the frames it dies on are kept, if the owner wants them.
    pub evidence: Option<Arc<Evidence>>,
    /// Whether anyone looks at the output video; where nobody does, marks are not kept.
    pub watched: Arc<AtomicBool>,
    /// Time.
    pub clock: Clock,
    /// Where its log lines go.
    pub notices: Notices,
}

impl Setup {
    /// Tells the owner something of this plugin.
    pub(super) fn warn(&self, text: &str) {
        self.notices.warn(format!("plugin `{}` of app `{}`: {text}", self.name, self.app));
    }
}

/// What a plugin said during one call.
#[derive(Debug, Default)]
pub struct Said {
    /// In the order published.
    pub events: Vec<Event>,
    /// In the order drawn.
    pub marks: Vec<Mark>,
}

/// What people and events call a stream: its camera's name, with `#N` behind it for the N-th further stream
/// of one camera.
pub fn stream_name(camera: &Camera) -> Arc<str> {
    match camera.stream {
        0 => camera.name.as_str().into(),
        further => format!("{}#{further}", camera.name).into(),
    }
}
