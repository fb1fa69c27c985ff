//! Rectangles of a frame, in fractions of it.

use serde::{Deserialize, Serialize};

/// A rectangle in fractions of a frame's width and height: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Left edge, 0 at the frame's left.
    pub l: f32,
    /// Top edge, 0 at the frame's top.
    pub t: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl Region {
    /// The whole frame.
    pub const WHOLE: Region = Region { l: 0.0, t: 0.0, w: 1.0, h: 1.0 };

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        self.l.is_finite() && self.t.is_finite() && self.w.is_finite() && self.h.is_finite()
    }

    /// The part inside the frame; `None` where there is none or a number is not finite.
    pub fn clipped(&self) -> Option<Region> {
        if !self.is_finite() {
            return None;
        }
        let (l, t) = (self.l.clamp(0.0, 1.0), self.t.clamp(0.0, 1.0));
        let (r, b) = ((self.l + self.w).clamp(0.0, 1.0), (self.t + self.h).clamp(0.0, 1.0));
        (r > l && b > t).then_some(Region { l, t, w: r - l, h: b - t })
    }

    /// Area of the overlap over area of the union, 0 ..= 1.
    pub fn iou(&self, other: &Region) -> f32 {
        let w = (self.l + self.w).min(other.l + other.w) - self.l.max(other.l);
        let h = (self.t + self.h).min(other.t + other.h) - self.t.max(other.t);
        if w <= 0.0 || h <= 0.0 {
            return 0.0;
        }
        let overlap = w * h;
        let union = self.w * self.h + other.w * other.h - overlap;
        if union > 0.0 { overlap / union } else { 0.0 }
    }
}
