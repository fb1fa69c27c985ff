//! Pixels on request: a region of a frame, brought to a size and made RGB, grey or JPEG.
//! Knows nothing of who asks. What was made is remembered with the frame.
//!
//! The planes are cut and resized first and become RGB afterwards, row by row: for a picture that
//! shrinks, the frame's other pixels never do.

mod color;
mod geometry;
mod jpeg;
mod resize;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use super::{AskError, Frame, Region};
use crate::base::widest;
use color::Mix;
use geometry::{Plan, Window};

pub use geometry::{PixelRect, Placement};
pub use jpeg::jpeg;

/// Grey of letterbox bars where nothing else is said; what detectors of the YOLO family are trained with.
pub const PAD: u8 = 114;

/// Most pixels a side of what is asked for.
pub const MAX_SIDE: u32 = 8192;

/// Most bytes of what is asked for.
pub const MAX_BYTES: usize = 16 << 20;

/// How a pixel is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Three bytes, red first.
    Rgb8,
    /// Three bytes, blue first.
    Bgr8,
    /// One byte, full range 0 ..= 255.
    Gray8,
}

impl PixelFormat {
    /// Bytes a pixel.
    pub fn bytes(self) -> usize {
        match self {
            PixelFormat::Rgb8 | PixelFormat::Bgr8 => 3,
            PixelFormat::Gray8 => 1,
        }
    }
}

/// How a region is brought to the size asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// Fill the size; the aspect ratio may change.
    Stretch,
    /// Keep the aspect ratio, centre, pad with grey.
    Letterbox,
    /// Keep the aspect ratio, pad with grey at the right or the bottom.
    LetterboxCorner,
    /// Keep the aspect ratio, fill the size, cut what stands over on both sides.
    Crop,
}

/// The picture wanted: 1 ..= [`MAX_SIDE`] pixels a side and at most [`MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How the region fills it.
    pub fit: Fit,
    /// How a pixel is stored.
    pub format: PixelFormat,
}

impl Shape {
    /// Bytes of such a picture.
    fn bytes(&self) -> usize {
        self.width as usize * self.height as usize * self.format.bytes()
    }

    fn check(&self) -> Result<(), PictureError> {
        let Shape { width, height, .. } = *self;
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(PictureError::BadShape(format!(
                "{width}x{height} pixels were asked for; a side has 1 to {MAX_SIDE}"
            )));
        }
        if self.bytes() > MAX_BYTES {
            return Err(PictureError::BadShape(format!(
                "{width}x{height} pixels of {} bytes were asked for; a picture has at most {} MiB",
                self.format.bytes(),
                MAX_BYTES >> 20
            )));
        }
        Ok(())
    }
}

/// Pixels in the shape asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Rows from the top, no padding between them.
    pub pixels: Vec<u8>,
    /// Where its pixels lie in the frame.
    pub placement: Placement,
}

/// Why no picture was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureError {
    /// The region holds no pixel of the frame, or is not a number.
    BadRegion(String),
    /// The shape is outside its limits.
    BadShape(String),
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PictureError::BadRegion(why) | PictureError::BadShape(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for PictureError {}

impl From<PictureError> for AskError {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::BadRegion(why) => AskError::BadRegion(why),
            PictureError::BadShape(why) => AskError::BadArgument(why),
        }
    }
}

#[derive(PartialEq, Eq, Hash)]
struct PictureKey(PixelRect, Shape);

/// The pixels of `region` (none: the whole frame; what lies outside is cut off) in `shape`, letterbox bars
/// of grey [`PAD`]. Made once a frame, region and shape; regions that cover the same pixels are the same.
pub fn picture(frame: &Frame, region: Option<Region>, shape: Shape) -> Result<Arc<Picture>, PictureError> {
    shape.check()?;
    let rect = PixelRect::of(frame, region)?;
    Ok(frame.memo.get_or_make(PictureKey(rect, shape), shape.bytes(), || {
        let mut pixels = vec![0; shape.bytes()];
        let stride = shape.width as usize * shape.format.bytes();
        let color = shape.format != PixelFormat::Gray8;
        let placement = draw(frame, rect, shape, color, PAD, &mut |y, [r, g, b]| {
            let row = &mut pixels[y * stride..][..stride];
            match shape.format {
                PixelFormat::Rgb8 => interleave(row, r, g, b),
                PixelFormat::Bgr8 => interleave(row, b, g, r),
                PixelFormat::Gray8 => row.copy_from_slice(r),
            }
        });
        Picture { pixels, placement }
    }))
}

/// Hands `take` the rows of the picture that [`picture`] would make, in order, as full-range red, green and
/// blue planes, without storing or remembering it; where `color` is false each of the three is full-range luma.
/// `shape.format` is not looked at. For models, whose input tensors are planes anyway.
pub(crate) fn rows(
    frame: &Frame,
    rect: PixelRect,
    shape: Shape,
    color: bool,
    pad: u8,
    take: &mut dyn FnMut(usize, [&[u8]; 3]),
) -> Result<Placement, PictureError> {
    shape.check()?;
    Ok(draw(frame, rect, shape, color, pad, take))
}

fn interleave(row: &mut [u8], first: &[u8], second: &[u8], third: &[u8]) {
    widest(
        #[inline(always)]
        || {
            for (((pixel, a), b), c) in row.chunks_exact_mut(3).zip(first).zip(second).zip(third) {
                pixel[0] = *a;
                pixel[1] = *b;
                pixel[2] = *c;
            }
        },
    );
}

/// What drawing needs beside its result; kept by each thread, for it is as large as a picture.
#[derive(Default)]
struct Scratch {
    /// For luma and for chroma: each keeps the weights of its last plane.
    resizers: [resize::Plane; 2],
    planes: [Vec<u8>; 3],
    chroma: [Vec<u8>; 2],
    rgb: [Vec<u8>; 3],
}

impl Scratch {
    /// Scratch memory beyond this is not kept: a still of a large size is rare, threads are many.
    const KEPT_BYTES: usize = 8 << 20;

    /// Lends the thread's own; a nested loan gets a new one.
    fn lend<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        let mut scratch = SCRATCH.take();
        let done = work(&mut scratch);
        let planes: usize = scratch.planes.iter().map(Vec::capacity).sum();
        let resizers: usize = scratch.resizers.iter().map(resize::Plane::bytes).sum();
        if planes + resizers <= Self::KEPT_BYTES {
            SCRATCH.set(scratch);
        }
        done
    }
}

/// Draws `rect` in `shape` row by row. Where `color` is false the three planes of a row are all grey.
fn draw(
    frame: &Frame,
    rect: PixelRect,
    shape: Shape,
    color: bool,
    pad: u8,
    take: &mut dyn FnMut(usize, [&[u8]; 3]),
) -> Placement {
    let plan = Plan::new(frame, rect, shape);
    let width = shape.width as usize;
    let inner = plan.x..plan.x + plan.width;
    Scratch::lend(|Scratch { resizers, planes, chroma, rgb }| {
        for row in rgb.iter_mut() {
            row.clear();
            row.resize(width, pad);
        }
        let mix = Mix::rgb(frame.color);
        let source = Source::of(frame, &plan, color, resizers, planes);
        let (above, below) = (plan.y, plan.y + plan.height);
        for y in 0..shape.height as usize {
            if y == below {
                rgb.iter_mut().for_each(|row| row.fill(pad));
            }
            if (above..below).contains(&y) {
                let luma = source.luma(y - above);
                if color {
                    let [u, v] = source.chroma(y - above, chroma);
                    let out = rgb.each_mut().map(|row| &mut row[inner.clone()]);
                    Mix::apply_rgb(&mix, out, luma, u, v);
                } else {
                    Mix::gray(frame.color).apply_luma(&mut rgb[0][inner.clone()], luma);
                }
            }
            let [r, g, b] = &*rgb;
            take(y, if color { [r, g, b] } else { [r, r, r] });
        }
    });
    plan.placement
}

/// Where rows come from: planes resized for the purpose, or the frame's own where nothing changes size.
enum Source<'a> {
    /// Planes of the drawn size, chroma too.
    Resized { planes: &'a [Vec<u8>; 3], width: usize },
    /// The frame's planes from pixel `left`, `top` on; where `halved`, each chroma sample stands for 2 x 2
    /// pixels.
    Own {
        yuv: [&'a [u8]; 3],
        stride: usize,
        chroma_stride: usize,
        halved: bool,
        left: usize,
        top: usize,
        width: usize,
    },
}

impl<'a> Source<'a> {
    fn of(
        frame: &'a Frame,
        plan: &Plan,
        color: bool,
        [of_luma, of_chroma]: &mut [resize::Plane; 2],
        planes: &'a mut [Vec<u8>; 3],
    ) -> Self {
        let yuv = frame.planes.yuv();
        let luma_size = (frame.planes.width(), frame.planes.height());
        let chroma_size = (frame.planes.chroma_width(), frame.planes.chroma_height());
        if let Some((left, top)) = plan.unscaled() {
            return Source::Own {
                yuv,
                stride: luma_size.0 as usize,
                chroma_stride: chroma_size.0 as usize,
                halved: frame.planes.is_halved(),
                left,
                top,
                width: plan.width,
            };
        }
        let size = (plan.width as u32, plan.height as u32);
        let grow = plan.grow();
        of_luma.resize(yuv[0], luma_size, plan.window, grow, size, &mut planes[0]);
        if color {
            // Chroma goes straight to the drawn size, taken to lie in the middle of its four pixels as
            // swscale and OpenCV do; the quarter of a pixel by which H.264's default siting differs
            // (ITU-T H.264 annex E, chroma_loc_type 0) is lost in the resize.
            let window = if frame.planes.is_halved() { plan.window.chroma(chroma_size) } else { plan.window };
            of_chroma.resize(yuv[1], chroma_size, window, grow, size, &mut planes[1]);
            of_chroma.resize(yuv[2], chroma_size, window, grow, size, &mut planes[2]);
        }
        Source::Resized { planes, width: plan.width }
    }

    fn luma(&self, y: usize) -> &[u8] {
        match self {
            Source::Resized { planes, width } => &planes[0][y * width..][..*width],
            Source::Own { yuv, stride, left, top, width, .. } => {
                &yuv[0][(top + y) * stride + left..][..*width]
            }
        }
    }

    /// U and V, one for each pixel of the row; `rows` is where doubled ones are laid.
    fn chroma<'b>(&'b self, y: usize, rows: &'b mut [Vec<u8>; 2]) -> [&'b [u8]; 2] {
        match self {
            Source::Resized { planes, width } => {
                [&planes[1][y * width..][..*width], &planes[2][y * width..][..*width]]
            }
            Source::Own { yuv, stride, halved: false, left, top, width, .. } => {
                [1, 2].map(|plane: usize| &yuv[plane][(top + y) * stride + left..][..*width])
            }
            Source::Own { yuv, chroma_stride, left, top, width, .. } => {
                let first = (top + y) / 2 * chroma_stride + left / 2;
                for (row, plane) in rows.iter_mut().zip(&yuv[1..]) {
                    row.resize(*width, 0);
                    double(row, &plane[first..], left % 2);
                }
                let [u, v] = rows;
                [u, v]
            }
        }
    }
}

/// Writes every sample twice, but the first only once where `skip` is 1.
fn double(row: &mut [u8], samples: &[u8], skip: usize) {
    let mut samples = samples.iter();
    let (head, rest) = row.split_at_mut(skip);
    for (pixel, sample) in head.iter_mut().zip(&mut samples) {
        *pixel = *sample;
    }
    let mut pairs = rest.chunks_exact_mut(2);
    for (pair, sample) in (&mut pairs).zip(&mut samples) {
        pair[0] = *sample;
        pair[1] = *sample;
    }
    for (pixel, sample) in pairs.into_remainder().iter_mut().zip(samples) {
        *pixel = *sample;
    }
}
