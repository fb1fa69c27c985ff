//! Transom: a self-hosted runtime for edge video analytics.
//!
//! A native host owns cameras, decoding, inference and sinks; vendors' logic is untrusted and runs as
//! WebAssembly components. The rooms below stand in the order data meets them; `host/docs/ARCHITECTURE.md`
//! draws the whole. Stations (`camera`, `decoder`, `model`, `plugin`, `sink`) never import each other; only
//! `pipeline` joins them.

/// Errors, time, stopping, meters: free to all.
pub mod base;
/// The nouns that travel: access units, frames, pixels, and what models answer about them.
pub mod frame;
/// What is on a frame: models that find things, classify, or give raw tensors.
pub mod model;
