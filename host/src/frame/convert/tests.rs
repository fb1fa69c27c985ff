use std::sync::Arc;

use super::*;
use crate::frame::{Color, Matrix, Memo, Pool};

/// Numbers that look random and are the same every time (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// Mostly within a little more than a frame, now and then anything a guest can send.
    fn coordinate(&mut self) -> f32 {
        match self.below(12) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::from_bits(self.roll() as u32),
            3 => 0.0,
            4 => 1.0,
            _ => self.below(14_000) as f32 / 10_000.0 - 0.2,
        }
    }
}

fn frame(width: u32, height: u32, color: Color, mut sample: impl FnMut(usize, u32, u32) -> u8) -> Frame {
    let mut planes = Pool::default().take(width, height);
    let chroma_width = planes.chroma_width();
    for (index, plane) in planes.yuv_mut().into_iter().enumerate() {
        let stride = if index == 0 { width } else { chroma_width };
        for (at, to) in plane.iter_mut().enumerate() {
            *to = sample(index, at as u32 % stride, at as u32 / stride);
        }
    }
    Frame { sequence: 0, media_time_us: 0, captured_at_us: 0, planes, color, memo: Memo::default() }
}

fn noise(width: u32, height: u32, color: Color) -> Frame {
    let mut dice = Dice(u64::from(width) << 32 | u64::from(height) | 1);
    frame(width, height, color, |_, _, _| dice.roll() as u8)
}

fn rgb(width: u32, height: u32, fit: Fit) -> Shape {
    Shape { width, height, fit, format: PixelFormat::Rgb8 }
}

const MATRICES: [Matrix; 3] = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020];

/// ITU-T H.273 clause 8.3 in floating point, written down anew.
fn exact(color: Color, y: u8, u: u8, v: u8) -> [f64; 3] {
    let (kr, kb) = match color.matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
    };
    let (y, u, v) = (f64::from(y), f64::from(u) - 128.0, f64::from(v) - 128.0);
    let (y, pb, pr) = if color.full_range {
        (y / 255.0, u / 255.0, v / 255.0)
    } else {
        ((y - 16.0) / 219.0, u / 224.0, v / 224.0)
    };
    let r = y + 2.0 * (1.0 - kr) * pr;
    let b = y + 2.0 * (1.0 - kb) * pb;
    let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
    [r, g, b].map(|value| (value * 255.0).clamp(0.0, 255.0))
}

#[test]
fn every_matrix_and_range_is_within_one_of_the_standard() {
    for matrix in MATRICES {
        for full_range in [false, true] {
            let color = Color { matrix, full_range };
            // One row of chroma stands for two rows and columns of luma.
            let frame = frame(256, 512, color, |plane, x, y| match plane {
                0 => x as u8,
                1 => y as u8,
                _ => (x * 2 + y * 3) as u8,
            });
            let picture = picture(&frame, None, rgb(256, 512, Fit::Stretch)).unwrap();
            let [y, u, v] = frame.planes.yuv();
            for (at, pixel) in picture.pixels.chunks_exact(3).enumerate() {
                let (column, row) = (at % 256, at / 256);
                let chroma = row / 2 * 128 + column / 2;
                let wanted = exact(color, y[at], u[chroma], v[chroma]);
                for (got, wanted) in pixel.iter().zip(wanted) {
                    assert!((f64::from(*got) - wanted).abs() <= 1.0, "{color:?} {pixel:?} {wanted:?}");
                }
            }
        }
    }
}

#[test]
fn black_white_and_grey_are_exact() {
    for matrix in MATRICES {
        for (full_range, y, wanted) in [
            (false, 16, 0),
            (false, 235, 255),
            (true, 0, 0),
            (true, 255, 255),
            (true, 128, 128),
            (false, 126, 128),
        ] {
            let frame =
                frame(6, 4, Color { matrix, full_range }, |plane, _, _| if plane == 0 { y } else { 128 });
            for format in [PixelFormat::Rgb8, PixelFormat::Bgr8, PixelFormat::Gray8] {
                let shape = Shape { width: 3, height: 2, fit: Fit::Stretch, format };
                let picture = picture(&frame, None, shape).unwrap();
                assert_eq!(picture.pixels, vec![wanted; 6 * format.bytes()], "{matrix:?} {y} {format:?}");
            }
        }
    }
}

/// Every drawn pixel is the mean of the picture under it, chroma repeated over its four pixels: what OpenCV's
/// `INTER_AREA` makes of the RGB picture.
#[test]
fn shrinking_averages_what_lies_under_each_pixel() {
    let color = Color { matrix: Matrix::Bt601, full_range: true };
    for (width, height, to_width, to_height) in
        [(76, 43, 35, 35), (64, 64, 16, 16), (33, 20, 33, 11), (9, 9, 1, 1)]
    {
        let frame = noise(width, height, color);
        let picture = picture(&frame, None, rgb(to_width, to_height, Fit::Stretch)).unwrap();
        let mean = |plane: usize, column: u32, row: u32| {
            let (span_x, span_y) =
                (f64::from(width) / f64::from(to_width), f64::from(height) / f64::from(to_height));
            let (left, top) = (f64::from(column) * span_x, f64::from(row) * span_y);
            let (mut sum, mut area) = (0.0, 0.0);
            for y in 0..height {
                for x in 0..width {
                    let over = |at: u32, from: f64, span: f64| {
                        ((from + span).min(f64::from(at + 1)) - from.max(f64::from(at))).max(0.0)
                    };
                    let part = over(x, left, span_x) * over(y, top, span_y);
                    let sample = match plane {
                        0 => frame.planes.yuv()[0][(y * width + x) as usize],
                        _ => frame.planes.yuv()[plane][(y / 2 * width.div_ceil(2) + x / 2) as usize],
                    };
                    sum += part * f64::from(sample);
                    area += part;
                }
            }
            (sum / area).round() as u8
        };
        for (at, pixel) in picture.pixels.chunks_exact(3).enumerate() {
            let (column, row) = (at as u32 % to_width, at as u32 / to_width);
            let wanted = exact(color, mean(0, column, row), mean(1, column, row), mean(2, column, row));
            for (got, wanted) in pixel.iter().zip(wanted) {
                // Two roundings of each of three samples, weighted by up to 1.8.
                assert!(
                    (f64::from(*got) - wanted).abs() <= 4.0,
                    "{width}x{height} {column},{row}: {pixel:?} {wanted:?}"
                );
            }
        }
    }
}

#[test]
fn a_region_without_resize_is_the_pixels_themselves() {
    let color = Color { matrix: Matrix::Bt709, full_range: true };
    let frame = noise(11, 7, color);
    let whole = picture(&frame, None, rgb(11, 7, Fit::Stretch)).unwrap();
    // Columns 3 to 7 and rows 1 to 5, so that chroma begins in the middle of a sample.
    let region = Region { l: 3.0 / 11.0, t: 1.0 / 7.0, w: 5.0 / 11.0, h: 5.0 / 7.0 };
    let part = picture(&frame, Some(region), rgb(5, 5, Fit::Stretch)).unwrap();
    for row in 0..5 {
        assert_eq!(part.pixels[row * 15..][..15], whole.pixels[(row + 1) * 33 + 9..][..15]);
    }
    let gray = Shape { width: 5, height: 5, fit: Fit::Crop, format: PixelFormat::Gray8 };
    let gray = picture(&frame, Some(region), gray).unwrap();
    assert_eq!(gray.pixels[..5], frame.planes.yuv()[0][14..19]);
}

#[test]
fn growing_interpolates_and_stays_in_the_region() {
    let frame = frame(8, 8, Color { matrix: Matrix::Bt601, full_range: true }, |plane, x, _| match plane {
        0 => x as u8 * 30,
        _ => 128,
    });
    let region = Region { l: 0.25, t: 0.0, w: 0.5, h: 1.0 };
    let shape = Shape { width: 16, height: 8, fit: Fit::Stretch, format: PixelFormat::Gray8 };
    let row = &picture(&frame, Some(region), shape).unwrap().pixels[..16];
    assert!(row.is_sorted(), "{row:?}");
    assert_eq!((row[0], row[15]), (60, 150));
}

#[test]
fn letterbox_bars_are_grey_and_the_placement_undoes_them() {
    let frame =
        frame(100, 50, Color { matrix: Matrix::Bt601, full_range: true }, |plane, _, _| match plane {
            0 => 200,
            _ => 128,
        });
    let drawn = picture(&frame, None, rgb(40, 40, Fit::Letterbox)).unwrap();
    let row = |y: usize| &drawn.pixels[y * 120..][..120];
    assert!(row(9).iter().chain(row(30)).all(|value| *value == PAD));
    assert!(row(10).iter().chain(row(29)).all(|value| *value == 200));
    let whole = drawn.placement.region(0.0, 10.0, 40.0, 30.0);
    assert!(whole.iou(&Region::WHOLE) > 0.9999, "{whole:?}");

    let corner = picture(&frame, None, rgb(40, 40, Fit::LetterboxCorner)).unwrap();
    assert_eq!(corner.pixels[..20 * 120], drawn.pixels[10 * 120..30 * 120]);
    assert!(corner.pixels[20 * 120..].iter().all(|value| *value == PAD));
    let whole = corner.placement.region(0.0, 0.0, 40.0, 20.0);
    assert!(whole.iou(&Region::WHOLE) > 0.9999, "{whole:?}");

    let tall = picture(&frame, Some(Region { l: 0.5, t: 0.0, w: 0.2, h: 1.0 }), rgb(40, 40, Fit::Letterbox))
        .unwrap();
    let middle = tall.placement.region(12.0, 0.0, 28.0, 40.0);
    assert!(middle.iou(&Region { l: 0.5, t: 0.0, w: 0.2, h: 1.0 }) > 0.9999, "{middle:?}");
}

#[test]
fn a_crop_keeps_the_middle() {
    let frame = noise(100, 50, Color::default());
    let drawn = picture(&frame, None, rgb(40, 40, Fit::Crop)).unwrap();
    let kept = drawn.placement.region(0.0, 0.0, 40.0, 40.0);
    assert!(kept.iou(&Region { l: 0.25, t: 0.0, w: 0.5, h: 1.0 }) > 0.9999, "{kept:?}");
}

#[test]
fn the_same_pixels_are_made_once() {
    let frame = noise(64, 48, Color::default());
    let shape = rgb(32, 32, Fit::Stretch);
    let first = picture(&frame, None, shape).unwrap();
    assert!(Arc::ptr_eq(&first, &picture(&frame, Some(Region::WHOLE), shape).unwrap()));
    let larger = Region { l: -1.0, t: -1.0, w: 3.0, h: 3.0 };
    assert!(Arc::ptr_eq(&first, &picture(&frame, Some(larger), shape).unwrap()));
    let first = jpeg(&frame, None, 32, 80).unwrap();
    assert!(Arc::ptr_eq(&first, &jpeg(&frame, Some(Region::WHOLE), 32, 80).unwrap()));
}

#[test]
fn what_cannot_be_drawn_is_refused_by_name() {
    let frame = noise(64, 48, Color::default());
    let nan = Region { l: f32::NAN, ..Region::WHOLE };
    let outside = Region { l: 1.0, t: 0.0, w: 0.5, h: 0.5 };
    let error = |region, shape| picture(&frame, region, shape).unwrap_err().to_string();
    assert_eq!(
        error(Some(nan), rgb(1, 1, Fit::Stretch)),
        "region (l NaN, t 0, w 1, h 1) has a coordinate that is not a finite number"
    );
    assert_eq!(
        error(Some(outside), rgb(1, 1, Fit::Stretch)),
        "region (l 1, t 0, w 0.5, h 0.5) holds no pixel of the frame"
    );
    assert_eq!(error(None, rgb(0, 1, Fit::Stretch)), "0x1 pixels were asked for; a side has 1 to 8192");
    assert_eq!(error(None, rgb(1, 8193, Fit::Stretch)), "1x8193 pixels were asked for; a side has 1 to 8192");
    assert_eq!(
        error(None, rgb(8192, 1024, Fit::Stretch)),
        "8192x1024 pixels of 3 bytes were asked for; a picture has at most 16 MiB"
    );
    let jpeg = |width, quality| jpeg(&frame, None, width, quality).unwrap_err().to_string();
    assert_eq!(jpeg(0, 0), "JPEG quality 0 was asked for; it is 1 to 100");
    assert_eq!(
        jpeg(8193, 80),
        "a JPEG of 8193x6145 pixels was asked for; it has at most 8192 a side and 16 million"
    );
}

#[test]
fn any_region_and_shape_gives_a_picture_or_a_reason() {
    let mut dice = Dice(0x5eed);
    let mut drawn = 0;
    for _ in 0..4000 {
        let color = Color { matrix: MATRICES[dice.below(3) as usize], full_range: dice.below(2) == 0 };
        let frame = noise(1 + dice.below(40) as u32, 1 + dice.below(40) as u32, color);
        let region = (dice.below(5) > 0).then(|| Region {
            l: dice.coordinate(),
            t: dice.coordinate(),
            w: dice.coordinate(),
            h: dice.coordinate(),
        });
        let side = |dice: &mut Dice| {
            if dice.below(50) == 0 { dice.roll() as u32 % 9000 } else { dice.below(70) as u32 }
        };
        let shape = Shape {
            width: side(&mut dice),
            height: side(&mut dice),
            fit: [Fit::Stretch, Fit::Letterbox, Fit::Crop][dice.below(3) as usize],
            format: [PixelFormat::Rgb8, PixelFormat::Bgr8, PixelFormat::Gray8][dice.below(3) as usize],
        };
        if let Ok(picture) = picture(&frame, region, shape) {
            assert_eq!(picture.pixels.len(), shape.bytes());
            let Placement { left, top, step_x, step_y } = picture.placement;
            assert!(step_x > 0.0 && step_y > 0.0 && left.is_finite() && top.is_finite());
            drawn += 1;
        }
        if let Ok(jpeg) = jpeg(&frame, region, shape.width, dice.below(110) as u8) {
            assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
        }
    }
    assert!(drawn > 1000, "{drawn}");
}
