//! What a model answers about a frame.

use super::Region;

/// One thing found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Index in the model's labels.
    pub label: u32,
    /// Confidence, 0 ..= 1.
    pub score: f32,
    /// Where, in fractions of the whole frame, cut to it.
    pub region: Region,
}

/// One class of a classifier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScore {
    /// Index in the model's labels.
    pub label: u32,
    /// 0 ..= 1; over all labels they sum to 1.
    pub score: f32,
}

/// One output tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The output's name in the model file.
    pub name: String,
    /// Size of each axis, slowest first.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub data: Vec<f32>,
}

/// Why a model gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    /// The model answers another question.
    WrongKind(String),
    /// The region holds no pixel of the frame, or is not a number.
    BadRegion(String),
    /// An argument is outside its range.
    BadArgument(String),
    /// The model could not be run.
    Failed(String),
}
