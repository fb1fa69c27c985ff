//! Transom: a self-hosted runtime for edge video analytics.
//!
//! A native host owns cameras, decoding, inference and sinks; vendors' logic is untrusted and runs as
//! WebAssembly components. The rooms below stand in the order data meets them; `host/docs/ARCHITECTURE.md`
//! draws the whole. Stations (`camera`, `decoder`, `model`, `plugin`, `sink`) never import each other; only
//! `pipeline` joins them.

/// Errors, time, stopping, meters: free to all.
pub mod base;
/// What was written in `app.toml` and `deploy.toml`, and what it means.
pub mod manifest;
/// The nouns that travel: access units, frames, pixels, and what models answer about them.
pub mod frame;
/// Where video enters: RTSP cameras, MP4 recordings, bare H.264 streams.
pub mod camera;
/// Compressed access units become pictures.
pub mod decoder;
/// ONNX models: what they are given, how they run, how their answers are read.
pub mod model;
/// Untrusted code: one thread and one store a plugin, limits enforced.
pub mod plugin;
/// What plugins said, stamped by the host.
pub mod event;
/// Where events and marks leave: JSON Lines, the live page.
pub mod sink;
/// Joins the stations for the apps of a run; nothing else knows two of them.
pub mod pipeline;
/// One file a command.
pub mod cli;
