//! Drawing over the output video, on the frame of the present call. Ask [`watched`] first: where nobody
//! looks, marks are dropped. What lies outside the frame is cut off; beyond 1,000 marks a frame they are
//! dropped.

use crate::bindings::transom::app::marks;
use crate::{Point, Region};

/// Whether anybody looks at the output video now.
pub fn watched() -> bool {
    marks::watched()
}

/// A color of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)] // as for `Point`
pub struct Color {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
}

impl Color {
    /// White.
    pub const WHITE: Color = Color { r: 255, g: 255, b: 255 };

    /// Ten colors that are told apart on video and by most color-blind people (Tableau 10).
    const PALETTE: [Color; 10] = [
        Color { r: 78, g: 121, b: 167 },
        Color { r: 242, g: 142, b: 43 },
        Color { r: 225, g: 87, b: 89 },
        Color { r: 118, g: 183, b: 178 },
        Color { r: 89, g: 161, b: 79 },
        Color { r: 237, g: 201, b: 72 },
        Color { r: 176, g: 122, b: 161 },
        Color { r: 255, g: 157, b: 167 },
        Color { r: 156, g: 117, b: 95 },
        Color { r: 186, g: 176, b: 172 },
    ];

    /// One of ten colors, the same for the same number: for labels and tracks.
    pub fn of(number: u32) -> Color {
        Self::PALETTE[number as usize % Self::PALETTE.len()]
    }
}

/// A rectangle, with a caption unless that is empty. (`box` in the WIT, a reserved word in Rust.)
pub fn rectangle(at: Region, caption: &str, color: Color) {
    marks::box_(at, caption, color);
}

/// A straight line.
pub fn line(a: Point, b: Point, color: Color) {
    marks::line(a, b, color);
}

/// A closed outline through 3 ..= 256 points.
pub fn polygon(points: &[Point], color: Color) {
    marks::polygon(points, color);
}

/// Text whose top left corner is at `at`; at most 200 characters are drawn.
pub fn label(at: Point, text: &str, color: Color) {
    marks::label(at, text, color);
}
