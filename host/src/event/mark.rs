//! Drawings over the output video.

use crate::frame::Region;

/// A place in fractions of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f32,
    /// From the top.
    pub y: f32,
}

/// Red, green and blue, 0 ..= 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
}

/// One drawing. All numbers are finite; they may lie outside the frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A rectangle with a caption, which may be empty.
    Box {
        /// Where.
        region: Region,
        /// Shown above it.
        caption: String,
        /// Of the outline and behind the caption.
        color: Color,
    },
    /// A straight line.
    Line {
        /// One end.
        a: Point,
        /// The other end.
        b: Point,
        /// Its colour.
        color: Color,
    },
    /// A closed outline.
    Polygon {
        /// Its corners, at least three.
        points: Vec<Point>,
        /// Its colour.
        color: Color,
    },
    /// Text.
    Label {
        /// Its top left corner.
        at: Point,
        /// One line.
        text: String,
        /// Of the letters.
        color: Color,
    },
}

impl Mark {
    /// Whether every number in it is finite.
    pub fn is_finite(&self) -> bool {
        let point = |p: &Point| p.x.is_finite() && p.y.is_finite();
        match self {
            Mark::Box { region, .. } => region.is_finite(),
            Mark::Line { a, b, .. } => point(a) && point(b),
            Mark::Polygon { points, .. } => points.iter().all(point),
            Mark::Label { at, .. } => point(at),
        }
    }
}
