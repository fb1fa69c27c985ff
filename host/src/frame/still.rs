//! JPEG and PNG pictures become frames.

use std::io::Cursor;

use png::{ColorType, Transformations};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{Frame, MAX_SIDE};

/// Red, green and blue of each pixel, rows from the top.
struct Rgb {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

/// Whether a file is a picture that [`still`] reads, by its first bytes.
pub fn is_still(head: &[u8]) -> bool {
    is_jpeg(head) || head.starts_with(b"\x89PNG\r\n\x1a\n")
}

fn is_jpeg(head: &[u8]) -> bool {
    head.starts_with(b"\xff\xd8\xff")
}

/// A JPEG or PNG picture, turned as its EXIF data say, as a frame of its own: sequence and times 0. At most 8192
/// pixels a side; transparency is ignored.
///
/// # Errors
/// What is wrong with the picture, for people.
pub fn still(file: &[u8]) -> Result<Frame, String> {
    if !is_still(file) {
        return Err("it is neither a JPEG nor a PNG picture".to_owned());
    }
    let picture = if is_jpeg(file) { jpeg(file) } else { png(file) }?;
    Ok(Frame::still(picture.width, picture.height, &picture.pixels))
}

fn damaged(error: impl std::fmt::Display) -> String {
    format!("the picture is damaged: {error}")
}

fn too_large(width: u32, height: u32) -> Result<(), String> {
    if width <= MAX_SIDE && height <= MAX_SIDE && width > 0 && height > 0 {
        return Ok(());
    }
    Err(format!("it has {width}x{height} pixels; a side has 1 to {MAX_SIDE}"))
}

fn jpeg(file: &[u8]) -> Result<Rgb, String> {
    let side = MAX_SIDE as usize;
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_strict_mode(true)
        .set_max_width(side)
        .set_max_height(side);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (width, height) =
        (u32::try_from(width).unwrap_or(u32::MAX), u32::try_from(height).unwrap_or(u32::MAX));
    too_large(width, height)?;
    let pixels = decoder.decode().map_err(damaged)?;
    let turn = decoder.exif().and_then(|exif| orientation(exif)).unwrap_or(1);
    Ok(turned(Rgb { width, height, pixels }, turn))
}

/// EXIF's orientation, 1 to 8.
fn orientation(exif: &[u8]) -> Option<u32> {
    let exif = exif::Reader::new().read_raw(exif.to_vec()).ok()?;
    exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?.value.get_uint(0)
}

/// Turned so that row 0 is at the top and column 0 at the left (EXIF 2.3, tag 274).
fn turned(picture: Rgb, orientation: u32) -> Rgb {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let swaps = (5..=8).contains(&orientation);
    let (out_width, out_height) = if swaps { (height, width) } else { (width, height) };
    let from: fn(usize, usize, usize, usize) -> (usize, usize) = match orientation {
        2 => |x, y, w, _| (w - 1 - x, y),
        3 => |x, y, w, h| (w - 1 - x, h - 1 - y),
        4 => |x, y, _, h| (x, h - 1 - y),
        5 => |x, y, _, _| (y, x),
        6 => |x, y, _, h| (y, h - 1 - x),
        7 => |x, y, w, h| (w - 1 - y, h - 1 - x),
        8 => |x, y, w, _| (w - 1 - y, x),
        _ => return picture,
    };
    let mut pixels = Vec::with_capacity(picture.pixels.len());
    for y in 0..out_height {
        for x in 0..out_width {
            let (column, row) = from(x, y, width, height);
            pixels.extend_from_slice(&picture.pixels[(row * width + column) * 3..][..3]);
        }
    }
    Rgb { width: out_width as u32, height: out_height as u32, pixels }
}

fn png(file: &[u8]) -> Result<Rgb, String> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let info = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (info.width, info.height);
    too_large(width, height)?;
    let mut reader = decoder.read_info().map_err(damaged)?;
    let size = reader.output_buffer_size().ok_or("it is too large")?;
    let mut raw = vec![0; size];
    let shown = reader.next_frame(&mut raw).map_err(damaged)?;
    raw.truncate(shown.buffer_size());
    let pixels = match shown.color_type {
        ColorType::Rgb => raw,
        ColorType::Rgba => raw.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        ColorType::Grayscale => raw.iter().flat_map(|gray| [*gray; 3]).collect(),
        ColorType::GrayscaleAlpha => raw.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
        ColorType::Indexed => return Err("its palette cannot be read".to_owned()),
    };
    Ok(Rgb { width, height, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Fit, PixelFormat, Shape, picture};

    fn png_of(width: u32, height: u32, color: ColorType, data: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(color);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        file
    }

    fn rgb(frame: &Frame, width: u32, height: u32) -> Vec<u8> {
        let shape = Shape { width, height, fit: Fit::Stretch, format: PixelFormat::Rgb8 };
        picture(frame, None, shape).unwrap().pixels.clone()
    }

    #[test]
    fn colours_come_through_within_rounding() {
        let colours: Vec<u8> = (0..61 * 47 * 3).map(|at: u32| (at * at / 7 % 256) as u8).collect();
        let frame = still(&png_of(61, 47, ColorType::Rgb, &colours)).unwrap();
        assert_eq!((frame.width(), frame.height()), (61, 47));
        for (got, wanted) in rgb(&frame, 61, 47).iter().zip(&colours) {
            assert!(got.abs_diff(*wanted) <= 2, "{got} {wanted}");
        }
    }

    #[test]
    fn a_flat_picture_stays_flat_at_any_size() {
        let frame = still(&png_of(33, 21, ColorType::Rgba, &[200, 40, 90, 7].repeat(33 * 21))).unwrap();
        for (width, height) in [(8, 8), (33, 21), (100, 90)] {
            for pixel in rgb(&frame, width, height).chunks(3) {
                assert!(pixel.iter().zip([200, 40, 90]).all(|(got, wanted)| got.abs_diff(wanted) <= 2));
            }
        }
        let gray = still(&png_of(16, 4, ColorType::Grayscale, &[77; 64])).unwrap();
        assert!(rgb(&gray, 16, 4).iter().all(|value| value.abs_diff(77) <= 1));
    }

    #[test]
    fn a_picture_is_turned_as_its_camera_was_held() {
        // 1 2 3 over 4 5 6, as EXIF's eight orientations store them.
        for (orientation, width, stored) in [
            (1, 3, [1, 2, 3, 4, 5, 6]),
            (2, 3, [3, 2, 1, 6, 5, 4]),
            (3, 3, [6, 5, 4, 3, 2, 1]),
            (4, 3, [4, 5, 6, 1, 2, 3]),
            (5, 2, [1, 4, 2, 5, 3, 6]),
            (6, 2, [3, 6, 2, 5, 1, 4]),
            (7, 2, [6, 3, 5, 2, 4, 1]),
            (8, 2, [4, 1, 5, 2, 6, 3]),
        ] {
            let pixels = stored.iter().flat_map(|value| [*value; 3]).collect();
            let upright = turned(Rgb { width, height: 6 / width, pixels }, orientation);
            let seen: Vec<u8> = upright.pixels.iter().step_by(3).copied().collect();
            assert_eq!((upright.width, seen), (3, vec![1, 2, 3, 4, 5, 6]), "{orientation}");
        }
    }

    #[test]
    fn what_is_no_whole_picture_is_said() {
        assert_eq!(still(b"GIF89a").err().unwrap(), "it is neither a JPEG nor a PNG picture");
        let whole = png_of(40, 40, ColorType::Rgb, &[9; 4800]);
        for end in 8..whole.len() - 12 {
            assert!(still(&whole[..end]).err().unwrap().starts_with("the picture is damaged: "));
        }
        // A header that promises 100,000 x 100,000 pixels, its checksum right.
        let huge = png_of(100_000, 1, ColorType::Grayscale, &[0; 100_000]);
        assert!(still(&huge).err().unwrap().contains("100000x1 pixels"));
        let jpeg = include_bytes!("../model/gate/natural.jpg");
        assert_eq!(still(jpeg).unwrap().width(), 480);
        for end in (3..jpeg.len() - 2).step_by(101) {
            still(&jpeg[..end]).err().unwrap();
        }
    }
}
