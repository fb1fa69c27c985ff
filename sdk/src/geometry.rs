//! Rectangles and points in fractions of a frame's width and height, y downwards.

/// A place in the picture: 0.0, 0.0 is the top left corner and 1.0, 1.0 the bottom right one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C)] // read from the host's memory as it lies there, like what `wit-bindgen` would generate
pub struct Point {
    /// Fraction of the width, from the left.
    pub x: f32,
    /// Fraction of the height, from the top.
    pub y: f32,
}

/// A rectangle. Inside the picture all of `l`, `t`, `l + w` and `t + h` are in 0.0 ..= 1.0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C)] // as for `Point`
pub struct Region {
    /// Left edge.
    pub l: f32,
    /// Top edge.
    pub t: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl Region {
    /// The whole picture.
    pub const WHOLE: Region = Region { l: 0.0, t: 0.0, w: 1.0, h: 1.0 };

    /// The rectangle of size `w` by `h` around `centre`.
    pub fn around(centre: Point, w: f32, h: f32) -> Region {
        Region { l: centre.x - w / 2.0, t: centre.y - h / 2.0, w, h }
    }

    /// Right edge.
    pub fn right(&self) -> f32 {
        self.l + self.w
    }

    /// Bottom edge.
    pub fn bottom(&self) -> f32 {
        self.t + self.h
    }

    /// The middle.
    pub fn centre(&self) -> Point {
        Point { x: self.l + self.w / 2.0, y: self.t + self.h / 2.0 }
    }

    /// The middle of the bottom edge: where a person in the box stands on the floor.
    pub fn foot(&self) -> Point {
        Point { x: self.l + self.w / 2.0, y: self.bottom() }
    }

    /// Whether every number is finite and the size positive.
    pub fn is_valid(&self) -> bool {
        [self.l, self.t, self.w, self.h].iter().all(|v| v.is_finite()) && self.w > 0.0 && self.h > 0.0
    }

    /// Area of the overlap over area of the union, 0.0 ..= 1.0.
    pub fn iou(&self, other: &Region) -> f32 {
        let w = self.right().min(other.right()) - self.l.max(other.l);
        let h = self.bottom().min(other.bottom()) - self.t.max(other.t);
        if w <= 0.0 || h <= 0.0 {
            return 0.0;
        }
        let overlap = w * h;
        overlap / (self.w * self.h + other.w * other.h - overlap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_is_overlap_over_union() {
        let a = Region { l: 0.0, t: 0.0, w: 0.2, h: 0.2 };
        let b = Region { l: 0.1, t: 0.0, w: 0.2, h: 0.2 };
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(a.iou(&a), 1.0);
        assert_eq!(a.iou(&Region { l: 0.2, ..a }), 0.0);
    }

    #[test]
    fn a_region_without_area_is_not_valid() {
        assert!(Region::WHOLE.is_valid());
        assert!(!Region { w: 0.0, ..Region::WHOLE }.is_valid());
        assert!(!Region { l: f32::NAN, ..Region::WHOLE }.is_valid());
    }
}
