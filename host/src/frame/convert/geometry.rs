//! Which pixels of the frame go where.

use super::{Fit, PictureError, Shape};
use crate::frame::{Frame, Region};

/// Whole pixels of a frame, never empty: what a region covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PixelRect {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns, 1 or more.
    pub width: u32,
    /// Rows, 1 or more.
    pub height: u32,
}

impl PixelRect {
    /// The pixels of `region`, its edges rounded to the nearest pixel edge; one that lies within a pixel
    /// is that pixel. None is the whole frame.
    pub fn of(frame: &Frame, region: Option<Region>) -> Result<Self, PictureError> {
        let asked = region.unwrap_or(Region::WHOLE);
        let bad = |why: &str| {
            let Region { l, t, w, h } = asked;
            PictureError::BadRegion(format!("region (l {l}, t {t}, w {w}, h {h}) {why}"))
        };
        if !asked.is_finite() {
            return Err(bad("has a coordinate that is not a finite number"));
        }
        let inside = asked.clipped().ok_or_else(|| bad("holds no pixel of the frame"))?;
        if frame.width() == 0 || frame.height() == 0 {
            return Err(bad("is of a frame without pixels"));
        }
        let (x, width) = span(inside.l, inside.w, frame.width());
        let (y, height) = span(inside.t, inside.h, frame.height());
        Ok(PixelRect { x, y, width, height })
    }
}

impl PixelRect {
    /// The same in fractions of the frame.
    pub fn region(&self, frame: &Frame) -> Region {
        let part = |pixels: u32, side: u32| pixels as f32 / side.max(1) as f32;
        Region {
            l: part(self.x, frame.width()),
            t: part(self.y, frame.height()),
            w: part(self.width, frame.width()),
            h: part(self.height, frame.height()),
        }
    }
}

/// First pixel and number of pixels of `size` that `start .. start + length` covers.
fn span(start: f32, length: f32, size: u32) -> (u32, u32) {
    let (start, length, side) = (f64::from(start), f64::from(length), f64::from(size));
    let first = (start * side).round() as u32;
    let end = (((start + length) * side).round() as u32).min(size);
    if first < end { (first, end - first) } else { (((start * side).floor() as u32).min(size - 1), 1) }
}

/// Where the pixels of a drawn picture lie in its frame. A point `x`, `y` of the picture, in its pixels
/// from its top left corner, is at `left + x * step_x`, `top + y * step_y` in fractions of the frame;
/// points of letterbox bars lie outside the region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Where the picture's left edge lies.
    pub left: f64,
    /// Where its top edge lies.
    pub top: f64,
    /// Width of one of its pixels.
    pub step_x: f64,
    /// Height of one of its pixels.
    pub step_y: f64,
}

impl Placement {
    /// A rectangle of the picture, corners in its pixels, as a region of the frame; not cut to the frame.
    pub fn region(&self, x0: f32, y0: f32, x1: f32, y1: f32) -> Region {
        let x = |x: f32| self.left + f64::from(x) * self.step_x;
        let y = |y: f32| self.top + f64::from(y) * self.step_y;
        Region { l: x(x0) as f32, t: y(y0) as f32, w: (x(x1) - x(x0)) as f32, h: (y(y1) - y(y0)) as f32 }
    }
}

/// A rectangle of a plane in its samples; its edges may lie between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Window {
    /// The same rectangle of a chroma plane of this size, which is at least half the luma plane.
    pub(super) fn chroma(&self, size: (u32, u32)) -> Window {
        let (left, top) = (self.left / 2.0, self.top / 2.0);
        let width = (self.width / 2.0).min(f64::from(size.0) - left);
        let height = (self.height / 2.0).min(f64::from(size.1) - top);
        Window { left, top, width, height }
    }
}

/// What is drawn where.
pub(super) struct Plan {
    /// What of the luma plane is drawn.
    pub(super) window: Window,
    /// Where it begins in the picture, and its size there. Outside it are bars.
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) placement: Placement,
}

impl Plan {
    pub(super) fn new(frame: &Frame, rect: PixelRect, shape: Shape) -> Self {
        let mut window = Window {
            left: f64::from(rect.x),
            top: f64::from(rect.y),
            width: f64::from(rect.width),
            height: f64::from(rect.height),
        };
        let (full_width, full_height) = (f64::from(shape.width), f64::from(shape.height));
        let (mut width, mut height) = (shape.width, shape.height);
        match shape.fit {
            Fit::Stretch => {}
            Fit::Letterbox | Fit::LetterboxCorner => {
                let scale = (full_width / window.width).min(full_height / window.height);
                width = ((window.width * scale).round() as u32).clamp(1, shape.width);
                height = ((window.height * scale).round() as u32).clamp(1, shape.height);
            }
            Fit::Crop => {
                let wanted_width = window.width.min(window.height * full_width / full_height);
                let wanted_height = window.height.min(window.width * full_height / full_width);
                window.left += margin(window.width, wanted_width);
                window.top += margin(window.height, wanted_height);
                (window.width, window.height) = (wanted_width, wanted_height);
            }
        }
        let (x, y) = match shape.fit {
            Fit::LetterboxCorner => (0, 0),
            _ => ((shape.width - width) / 2, (shape.height - height) / 2),
        };
        let (frame_width, frame_height) = (f64::from(frame.width()), f64::from(frame.height()));
        let step_x = window.width / frame_width / f64::from(width);
        let step_y = window.height / frame_height / f64::from(height);
        let placement = Placement {
            left: window.left / frame_width - f64::from(x) * step_x,
            top: window.top / frame_height - f64::from(y) * step_y,
            step_x,
            step_y,
        };
        let [x, y, width, height] = [x, y, width, height].map(|side| side as usize);
        Plan { window, x, y, width, height, placement }
    }

    /// The first column and row where a pixel drawn is a pixel of the frame.
    pub(super) fn unscaled(&self) -> Option<(usize, usize)> {
        let Window { left, top, width, height } = self.window;
        let same = width == self.width as f64
            && height == self.height as f64
            && left.fract() == 0.0
            && top.fract() == 0.0;
        same.then_some((left as usize, top as usize))
    }

    /// Whether each axis has more pixels drawn than it has in the frame.
    pub(super) fn grow(&self) -> [bool; 2] {
        [self.width as f64 > self.window.width, self.height as f64 > self.window.height]
    }
}

/// What is cut off before the middle `wanted` of `length`; whole pixels where the middle has whole pixels,
/// so that nothing is resampled for half a pixel.
fn margin(length: f64, wanted: f64) -> f64 {
    let margin = (length - wanted) / 2.0;
    if wanted.fract() == 0.0 { margin.floor() } else { margin }
}
