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
    /// 0 ..= 1; over all labels they sum to 1, unless the model scores each on its own.
    pub score: f32,
}

/// What a thing looks like, to be compared with what others look like: the more alike, the nearer their dot
/// product is to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// A vector of length 1.
    pub values: Vec<f32>,
}

/// One point of a pose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// In fractions of the frame's width; below 0 or above 1 where it lies outside.
    pub x: f32,
    /// In fractions of its height, likewise.
    pub y: f32,
    /// Confidence, 0 ..= 1; 1 where the model gives none.
    pub score: f32,
}

/// One body found, with its points.
#[derive(Debug, Clone, PartialEq)]
pub struct Pose {
    /// Index in the model's labels.
    pub label: u32,
    /// Confidence, 0 ..= 1.
    pub score: f32,
    /// Where, in fractions of the whole frame, cut to it.
    pub region: Region,
    /// One for each of the model's points, in their order.
    pub points: Vec<Point>,
}

/// What each part of a picture shows.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassMap {
    /// Cells a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What the cells cover together, in fractions of the whole frame; at its edges it may stand out of the
    /// frame by half a cell.
    pub region: Region,
    /// Of each cell, row by row from the top, an index in the model's labels.
    pub cells: Cells,
}

/// The classes of a [`ClassMap`].
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Of a model with at most 255 labels; 255 is no class.
    Few(Vec<u8>),
    /// Of one with more; 65535 is no class.
    Many(Vec<u16>),
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
    /// There is no time for it now.
    Busy(String),
}

impl std::fmt::Display for AskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AskError::WrongKind(why)
            | AskError::BadRegion(why)
            | AskError::BadArgument(why)
            | AskError::Failed(why)
            | AskError::Busy(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for AskError {}

impl ClassMap {
    /// The class of each cell, row by row; none where it is no class.
    pub fn classes(&self) -> impl Iterator<Item = Option<u32>> {
        let (few, many): (&[u8], &[u16]) = match &self.cells {
            Cells::Few(cells) => (cells, &[]),
            Cells::Many(cells) => (&[], cells),
        };
        let few = few.iter().map(|cell| (*cell != u8::MAX).then_some(u32::from(*cell)));
        few.chain(many.iter().map(|cell| (*cell != u16::MAX).then_some(u32::from(*cell))))
    }
}
