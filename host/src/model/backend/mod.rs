//! What can run a graph. Each back end finds its devices, says of a graph whether it may run it, and runs
//! it; none of them is believed: `gate` compares what they answer.

mod batches;
#[cfg(test)]
mod node_tests;
pub(super) mod onnxruntime;
pub(super) mod remote;
pub(super) mod rten;
mod whole;
pub(super) mod wonnx;

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::onnx::Graph;
use super::tensor::{Array, Port};

/// What kind of thing a back end runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DeviceKind {
    /// The processor.
    Cpu,
    /// A graphics interface played by the processor (llvmpipe …): right, slow, never chosen by itself.
    SoftwareGpu,
    /// A graphics card, discrete or built in, or another accelerator.
    Gpu,
    /// A server elsewhere.
    Remote,
}

/// Where a back end can run graphs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Device {
    /// `rten`, `wonnx`, `onnxruntime`, `remote`.
    pub backend: &'static str,
    /// The back end's version, with all that may change an answer or its time: library, driver, provider.
    pub version: String,
    /// For people, and to tell two apart: `cpu`, `CUDA 0`, `NVIDIA H200 (Vulkan)`, `grpc://10.0.0.7:8001`.
    pub name: String,
    /// What kind it is.
    pub kind: DeviceKind,
}

/// A graph to be loaded.
#[derive(Clone)]
pub(super) struct Source<'a> {
    /// The file as a graph: read, bounded and checked; its external data, if any, read in.
    pub(super) graph: &'a Arc<Graph>,
    /// The file as it lies on disk, without its external data.
    pub(super) bytes: &'a Bytes,
    /// The inputs in the graph's order, every size fixed. Sizes left open in the graph have these.
    pub(super) inputs: &'a [Port],
    /// Names of the outputs to compute, in the order they are wanted.
    pub(super) outputs: &'a [String],
    /// Threads one inference may use, for back ends on the processor.
    pub(super) threads: usize,
}

/// A back end on one device.
pub(super) trait Backend: Send + Sync {
    /// Where it runs.
    fn device(&self) -> &Device;

    /// Makes a graph ready to run. The error is for people: what of the graph this back end cannot run, or
    /// would run wrong, with the node's name and operator. Never panics, whatever the graph.
    fn load(&self, source: &Source<'_>) -> Result<Box<dyn Session>, String>;
}

/// A graph ready to run on one device.
pub(super) trait Session: Send + Sync {
    /// Runs it. `inputs` are in the order, with the types and shapes, of [`Source::inputs`], except that
    /// the first axis of all may be a larger batch where [`Session::batches`] says so; outputs come in the
    /// order of [`Source::outputs`]. Never panics.
    fn run(&self, inputs: &[&Array]) -> Result<Vec<Array>, RunError>;

    /// Whether the first axis of every input may be larger than it was at load, and the first axis of every
    /// output then is too.
    fn batches(&self) -> bool {
        false
    }

    /// Inferences it takes at the same time, where its device has workers of its own.
    fn at_once(&self) -> usize {
        1
    }

    /// Bytes it holds, weights and working memory as far as the back end can tell.
    fn memory(&self) -> u64;
}

/// Why an inference gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RunError {
    /// These inputs could not be run; others may.
    Failed(String),
    /// The back end is gone or no longer to be trusted: device lost, out of memory, timed out, died.
    Lost(String),
    /// It has too much to do and took nothing on.
    Busy(String),
}
