//! Write Transom plugins in Rust.
//!
//! A plugin is a WebAssembly component. The host opens the cameras, decodes them, runs the models and
//! keeps the limits; the plugin is called once a frame, asks models about it, and says what it found.
//!
//! ```
//! use transom_sdk::{Event, Frame, FrameInfo, Model, Plugin, Setup};
//!
//! struct Doorman {
//!     model: Model,
//!     threshold: f32,
//! }
//!
//! impl Plugin for Doorman {
//!     fn configure(setup: Setup) -> Result<Self, String> {
//!         let threshold = setup.float("threshold")? as f32;
//!         Ok(Doorman { model: setup.first_model()?, threshold })
//!     }
//!
//!     fn on_frame(&mut self, frame: &Frame, _info: &FrameInfo) -> Result<(), String> {
//!         for found in self.model.detect(frame, None, Some(self.threshold))? {
//!             let label = self.model.label(found.label);
//!             Event::new("seen").text("what", label).detection(label, &found, None).publish()?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! transom_sdk::export!(Doorman);
//! # fn main() {}
//! ```
//!
//! In `Cargo.toml`: `[lib] crate-type = ["cdylib"]`. Build with
//! `cargo build --release --target wasm32-wasip2`; the `.wasm` file is the component.
//!
//! What the host gives: [`Frame`] (pixels, on request), [`Model`], [`Event`], [`marks`], [`metrics`],
//! [`log`] with [`error!`], [`warn!`], [`info!`] and [`debug!`], [`storage`], [`http`] and [`serve`].
//! What needs no host, and is as well tested on your machine: [`tracker`], [`line`](mod@line), and the
//! geometry of [`Region`] and [`Point`].

/// `Plugin`, and `export!` which makes it a component.
mod plugin;

/// What `configure` is told: params, cameras, models.
mod setup;

/// Asking models about frames.
mod model;

/// Answering requests on the ports the owner opened.
pub mod serve;

/// Asking hosts the owner granted.
pub mod http;

/// Keys and values that outlive the plugin.
pub mod storage;

/// Following things from frame to frame.
pub mod tracker;

/// Crossings of a line by what a tracker follows.
pub mod line;

/// Saying what happened.
mod event;

/// Drawing over the output video.
pub mod marks;

/// Words for the owner.
pub mod log;

/// Rectangles and points in fractions of a frame.
mod geometry;

/// Mistakes of a call to the host, in words.
mod error;

/// The WIT interface as it is, for what this crate does not wrap.
pub mod bindings;

pub use bindings::exports::transom::app::lifecycle::{Camera, ModelInfo, ParamValue};
pub use bindings::transom::app::events::EventError;
pub use bindings::transom::app::frames::{Fit, Frame, FrameError, FrameInfo, PixelFormat, Shape};
pub use bindings::transom::app::metrics;
pub use bindings::transom::app::models::{ClassMap, ClassScore, Keypoint, ModelError, Pose, Tensor};
pub use event::Event;
pub use geometry::{Point, Region};
pub use marks::Color;
pub use model::{Detection, Model};
pub use plugin::Plugin;
pub use serve::Serve;
pub use setup::Setup;

#[doc(hidden)]
pub use plugin::slot;
