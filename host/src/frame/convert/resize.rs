//! Planes change size. The only caller of `fast_image_resize`, and not generic: the crate costs a minute
//! of compile time for every place it is instantiated in.

use std::cell::Cell;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{Filter, FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::Window;

thread_local! {
    /// Source samples that one drawn sample covers on the axis in work: filters are plain functions.
    static SPAN: Cell<f64> = const { Cell::new(1.0) };
}

/// How much of the source sample `x` samples away lies under a drawn sample `SPAN` wide. Resampling with it
/// is OpenCV's `INTER_AREA`; the crate's own box filter takes whole samples only.
fn coverage(x: f64) -> f64 {
    let span = SPAN.get();
    (span / 2.0 + 0.5 - x.abs()).clamp(0.0, span.min(1.0))
}

/// Resizes one plane after another, keeping its working memory.
#[derive(Default)]
pub(super) struct Plane {
    resizer: Resizer,
    /// Between the two axes.
    half: Vec<u8>,
}

impl Plane {
    /// Brings `window` of the plane `from` (`from_size` samples, rows without padding) to `to_size` in `to`.
    /// An axis that grows is interpolated, one that shrinks averaged. The window lies inside the plane.
    pub(super) fn resize(
        &mut self,
        from: &[u8],
        from_size: (u32, u32),
        window: Window,
        grow: [bool; 2],
        to_size: (u32, u32),
        to: &mut Vec<u8>,
    ) {
        to.resize(to_size.0 as usize * to_size.1 as usize, 0);
        // Rows and columns that the window touches: a neighbour of the region must not shine into it.
        let first_row = window.top.floor() as u32;
        let rows = ((window.top + window.height).ceil() as u32).min(from_size.1) - first_row;
        let first_column = window.left.floor();
        let columns = ((window.left + window.width).ceil() as u32).min(from_size.0) - first_column as u32;
        let from = &from[first_row as usize * from_size.0 as usize..];
        let top = window.top - f64::from(first_row);
        let height = window.height.min(f64::from(rows) - top);
        let left = window.left - first_column;
        let width = window.width.min(f64::from(columns) - left);

        // Rows first: that axis is the cheaper one, and leaves fewer of them to the other.
        if to_size.1 == rows && top == 0.0 && height == f64::from(rows) && columns == from_size.0 {
            let crop = [left, 0.0, width, height];
            self.pass(from, (from_size.0, rows), crop, 0, grow[0], to_size, to);
            return;
        }
        let mut half = std::mem::take(&mut self.half);
        half.resize(columns as usize * to_size.1 as usize, 0);
        let crop = [first_column, top, f64::from(columns), height];
        self.pass(from, (from_size.0, rows), crop, 1, grow[1], (columns, to_size.1), &mut half);
        let crop = [left, 0.0, width, f64::from(to_size.1)];
        self.pass(&half, (columns, to_size.1), crop, 0, grow[0], to_size, to);
        self.half = half;
    }

    /// Resizes along one axis (0: columns); along the other, `crop` and `to_size` agree.
    #[expect(clippy::too_many_arguments, reason = "a plane is three arguments, and there are two")]
    fn pass(
        &mut self,
        from: &[u8],
        from_size: (u32, u32),
        crop: [f64; 4],
        axis: usize,
        grow: bool,
        to_size: (u32, u32),
        to: &mut [u8],
    ) {
        let drawn = if axis == 0 { to_size.0 } else { to_size.1 };
        let span = crop[2 + axis] / f64::from(drawn);
        SPAN.set(span);
        let filter = match Filter::new("coverage", coverage, span / 2.0 + 0.5) {
            Ok(filter) if !grow => FilterType::Custom(filter),
            _ => FilterType::Bilinear,
        };
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Interpolation(filter))
            .crop(crop[0], crop[1], crop[2], crop[3])
            .use_alpha(false);
        let done = TypedImageRef::<U8>::from_buffer(from_size.0, from_size.1, from)
            .map_err(|error| error.to_string())
            .and_then(|from| {
                let mut to = TypedImage::<U8>::from_buffer(to_size.0, to_size.1, to)
                    .map_err(|error| error.to_string())?;
                self.resizer.resize_typed(&from, &mut to, &options).map_err(|error| error.to_string())
            });
        // Sizes were computed above and the tests draw thousands of shapes; black is a lesser evil than a
        // camera that stops.
        if let Err(error) = done {
            #[allow(clippy::assertions_on_constants, reason = "loud in tests, quiet on a box")]
            let () = assert!(!cfg!(test), "crop {crop:?} of {from_size:?} to {to_size:?}: {error}");
            to.fill(0);
        }
    }
}
