//! A region as a JPEG.

use std::cell::RefCell;
use std::sync::Arc;

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use super::color::Mix;
use super::geometry::{PixelRect, Window};
use super::{MAX_BYTES, MAX_SIDE, PictureError, Scratch, double};
use crate::frame::{Frame, Region};

#[derive(PartialEq, Eq, Hash)]
struct JpegKey {
    rect: PixelRect,
    width: u32,
    height: u32,
    quality: u8,
}

/// `region` (none: the whole frame) as a baseline JPEG, 4:2:0, `width` pixels wide (0: its own size) with
/// its aspect ratio kept. `quality` is 1 ..= 100. Made once a frame, region, width and quality.
///
/// The planes go to the encoder as they are, resized and brought to JFIF's colours (BT.601, full range).
pub fn jpeg(
    frame: &Frame,
    region: Option<Region>,
    width: u32,
    quality: u8,
) -> Result<Arc<Vec<u8>>, PictureError> {
    let rect = PixelRect::of(frame, region)?;
    let bad = |why: String| Err(PictureError::BadShape(why));
    if !(1..=100).contains(&quality) {
        return bad(format!("JPEG quality {quality} was asked for; it is 1 to 100"));
    }
    let width = if width == 0 { rect.width } else { width };
    let height = f64::from(rect.height) * f64::from(width) / f64::from(rect.width);
    let height = (height.round() as u32).max(1);
    if width > MAX_SIDE || height > MAX_SIDE || width as usize * height as usize > MAX_BYTES {
        return bad(format!(
            "a JPEG of {width}x{height} pixels was asked for; it has at most {MAX_SIDE} a side and {} million",
            MAX_BYTES >> 20
        ));
    }
    let key = JpegKey { rect, width, height, quality };
    // A JPEG of the best quality has seldom more than a byte a pixel.
    let made = frame.memo.get_or_make(key, width as usize * height as usize, || {
        Scratch::lend(|scratch| encode(frame, rect, width, height, quality, scratch))
    });
    if made.is_empty() {
        return bad(format!("no JPEG of {width}x{height} pixels could be made"));
    }
    Ok(made)
}

/// Empty where the encoder failed, which the checks above leave no reason for.
fn encode(
    frame: &Frame,
    rect: PixelRect,
    width: u32,
    height: u32,
    quality: u8,
    scratch: &mut Scratch,
) -> Vec<u8> {
    let window = Window {
        left: f64::from(rect.x),
        top: f64::from(rect.y),
        width: f64::from(rect.width),
        height: f64::from(rect.height),
    };
    let planes = &frame.planes;
    let luma_size = (planes.width(), planes.height());
    let chroma_size = (planes.chroma_width(), planes.chroma_height());
    let half = (width.div_ceil(2), height.div_ceil(2));
    // The last chroma sample of an odd size stands for a pixel that is not there.
    let beyond = Window {
        width: window.width * f64::from(half.0 * 2) / f64::from(width),
        height: window.height * f64::from(half.1 * 2) / f64::from(height),
        ..window
    };
    let grow = [f64::from(width) > window.width, f64::from(height) > window.height];
    let [y, u, v] = planes.yuv();
    let chroma_window = if planes.is_halved() { beyond.chroma(chroma_size) } else { window };
    let Scratch { resizers: [of_luma, of_chroma], planes, chroma, rgb } = scratch;
    of_luma.resize(y, luma_size, window, grow, (width, height), &mut planes[0]);
    for (plane, to) in [u, v].into_iter().zip(&mut planes[1..]) {
        of_chroma.resize(plane, chroma_size, chroma_window, grow, half, to);
    }

    let mix = Mix::jfif(frame.color);
    for row in chroma.iter_mut().chain(rgb.iter_mut()) {
        row.resize(width as usize, 0);
    }
    let picture = Yuv { planes, width: width as usize, height, mix, rows: RefCell::new((chroma, rgb)) };
    let mut jpeg = Vec::with_capacity(width as usize * height as usize / 4);
    let mut encoder = Encoder::new(&mut jpeg, quality);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    if encoder.encode_image(picture).is_err() {
        jpeg.clear();
    }
    jpeg
}

/// Planes of a 4:2:0 picture, handed to the encoder row by row. It wants chroma in full size and takes the
/// top left of every 2 x 2 samples, so each is given four times.
struct Yuv<'a> {
    planes: &'a [Vec<u8>; 3],
    width: usize,
    height: u32,
    mix: [Mix; 3],
    rows: RefCell<Rows<'a>>,
}

/// Memory for the encoder's rows: of two chroma rows to be mixed, and of what is given.
type Rows<'a> = (&'a mut [Vec<u8>; 2], &'a mut [Vec<u8>; 3]);

impl ImageBuffer for Yuv<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        // Both sides are at most MAX_SIDE.
        self.width as u16
    }

    fn height(&self) -> u16 {
        self.height as u16
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (y, width, half) = (usize::from(y), self.width, self.width.div_ceil(2));
        let luma = &self.planes[0][y * width..][..width];
        let [u, v] = [1, 2].map(|plane: usize| &self.planes[plane][y / 2 * half..][..half]);
        let mut rows = self.rows.borrow_mut();
        let (chroma, out) = &mut *rows;
        if self.mix[0].has_chroma() {
            double(&mut chroma[0], u, 0);
            double(&mut chroma[1], v, 0);
            self.mix[0].apply(&mut out[0], luma, &chroma[0], &chroma[1]);
        } else {
            self.mix[0].apply_luma(&mut out[0], luma);
        }
        for (mix, out) in self.mix[1..].iter().zip(&mut out[1..]) {
            mix.apply_chroma(&mut chroma[0][..half], u, v);
            double(out, &chroma[0], 0);
        }
        for (buffer, row) in buffers.iter_mut().zip(out.iter()) {
            buffer.extend_from_slice(row);
        }
    }
}
