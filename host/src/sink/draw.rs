//! Marks onto a picture.

use embedded_graphics::mono_font::iso_8859_1::{FONT_8X13_BOLD, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::event::{Color, Mark, Point as Place};
use crate::frame::{Fit, Frame, PixelFormat, Region, Shape, picture};

/// Widest picture shown; a larger frame is scaled down.
const WIDEST: u32 = 1280;
const QUALITY: u8 = 80;
/// Around the letters of a text, in pixels.
const PADDING: u32 = 3;
/// Behind labels, and along both sides of a line, so that both are seen on any picture.
const SHADE: Rgb888 = Rgb888::new(16, 18, 22);

/// The frame with `marks` on it, as a JPEG.
///
/// # Errors
/// What is wrong with the frame, for the log; a decoded frame has nothing wrong.
pub(super) fn annotated(frame: &Frame, marks: &[Mark]) -> Result<Vec<u8>, String> {
    let Painted { pixels, width, height } = painted(frame, marks, WIDEST)?;
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let side =
        |side: u32| u16::try_from(side).map_err(|_| format!("a picture of {width}x{height} is too large"));
    encoder
        .encode(&pixels, side(width)?, side(height)?, ColorType::Rgb)
        .map_err(|error| error.to_string())?;
    Ok(jpeg)
}

/// A picture with marks on it.
pub struct Painted {
    /// Red, green and blue of each pixel, rows from the top, no padding.
    pub pixels: Vec<u8>,
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// The frame with `marks` on it, at most `widest` pixels wide.
///
/// # Errors
/// What is wrong with the frame; a decoded frame has nothing wrong.
pub fn painted(frame: &Frame, marks: &[Mark], widest: u32) -> Result<Painted, String> {
    let width = frame.width().min(widest);
    let height = (u64::from(frame.height()) * u64::from(width)).div_ceil(u64::from(frame.width().max(1)));
    let height = u32::try_from(height).unwrap_or(1).max(1);
    let shape = Shape { width, height, fit: Fit::Stretch, format: PixelFormat::Rgb8 };
    let plain = picture(frame, None, shape).map_err(|error| error.to_string())?;
    let mut canvas = Canvas { pixels: plain.pixels.to_vec(), width, height };
    for mark in marks {
        canvas.draw(mark);
    }
    Ok(Painted { pixels: canvas.pixels, width, height })
}

struct Canvas {
    pixels: Vec<u8>,
    width: u32,
    height: u32,
}

impl Canvas {
    fn draw(&mut self, mark: &Mark) {
        let stroke = (self.width / 400).max(1) + 1;
        match mark {
            Mark::Box { region, caption, color } => {
                let rectangle = self.rectangle(*region);
                self.infallible(&rectangle.into_styled(PrimitiveStyle::with_stroke(rgb(*color), stroke)));
                if !caption.is_empty() {
                    self.caption(rectangle.top_left, caption, *color);
                }
            }
            Mark::Line { a, b, color } => self.line(*a, *b, *color, stroke),
            Mark::Polygon { points, color } => {
                for (at, from) in points.iter().enumerate() {
                    self.line(*from, points[(at + 1) % points.len()], *color, stroke);
                }
            }
            Mark::Label { at, text, color } => {
                let at = self.place(*at);
                self.text(at, text, rgb(*color), SHADE);
            }
        }
    }

    fn line(&mut self, a: Place, b: Place, color: Color, stroke: u32) {
        let line = Line::new(self.place(a), self.place(b));
        self.infallible(&line.into_styled(PrimitiveStyle::with_stroke(SHADE, stroke + 2)));
        self.infallible(&line.into_styled(PrimitiveStyle::with_stroke(rgb(color), stroke)));
    }

    /// A caption stands on its box, or inside where there is no room above.
    fn caption(&mut self, corner: Point, caption: &str, color: Color) {
        let height = (self.font().character_size.height + 2 * PADDING) as i32;
        let top = if corner.y >= height { corner.y - height } else { corner.y };
        let dark = u32::from(color.r) * 3 + u32::from(color.g) * 6 + u32::from(color.b) < 1280;
        let letters = if dark { Rgb888::WHITE } else { Rgb888::BLACK };
        self.text(Point::new(corner.x, top), caption, letters, rgb(color));
    }

    /// One line on a plate whose top left corner is at `at`, moved into the picture where it would stand over
    /// at the right or below.
    fn text(&mut self, at: Point, text: &str, letters: Rgb888, behind: Rgb888) {
        let text = text.replace(char::is_control, " ");
        let letter = self.font().character_size;
        let plate = Size::new(text.chars().count() as u32 * letter.width, letter.height)
            + Size::new_equal(2 * PADDING);
        let room =
            Point::new(self.width as i32 - plate.width as i32, self.height as i32 - plate.height as i32);
        let at = Point::new(at.x.min(room.x.max(0)), at.y.min(room.y.max(0)));
        self.infallible(&Rectangle::new(at, plate).into_styled(PrimitiveStyle::with_fill(behind)));
        let style = MonoTextStyle::new(self.font(), letters);
        self.infallible(&Text::with_baseline(
            &text,
            at + Point::new_equal(PADDING as i32),
            style,
            Baseline::Top,
        ));
    }

    fn font(&self) -> &'static MonoFont<'static> {
        if self.width >= 900 { &FONT_10X20 } else { &FONT_8X13_BOLD }
    }

    fn infallible(&mut self, drawable: &impl Drawable<Color = Rgb888>) {
        // Drawing into memory has no way to fail (`Canvas::Error` is `Infallible`).
        let Ok(_) = drawable.draw(self);
    }

    fn place(&self, Place { x, y }: Place) -> Point {
        // Far outside is as good as just outside, and keeps the drawing's arithmetic in range.
        let at = |fraction: f32, side: u32| (fraction.clamp(-1.0, 2.0) * side as f32).round() as i32;
        Point::new(at(x, self.width), at(y, self.height))
    }

    fn rectangle(&self, Region { l, t, w, h }: Region) -> Rectangle {
        let (a, b) = (self.place(Place { x: l, y: t }), self.place(Place { x: l + w, y: t + h }));
        Rectangle::with_corners(a, b)
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else { continue };
            if x < self.width && y < self.height {
                let at = (y as usize * self.width as usize + x as usize) * 3;
                self.pixels[at..at + 3].copy_from_slice(&[color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}

fn rgb(Color { r, g, b }: Color) -> Rgb888 {
    Rgb888::new(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Color = Color { r: 255, g: 0, b: 0 };

    fn canvas(width: u32, height: u32) -> Canvas {
        Canvas { pixels: vec![0; (width * height * 3) as usize], width, height }
    }

    /// The columns and rows some pixel of which is `color`.
    fn extent(
        canvas: &Canvas,
        color: Rgb888,
    ) -> Option<(std::ops::RangeInclusive<u32>, std::ops::RangeInclusive<u32>)> {
        let wanted = [color.r(), color.g(), color.b()];
        let painted = canvas.pixels.chunks(3).zip(0..).filter(|(pixel, _)| *pixel == wanted);
        let at: Vec<(u32, u32)> = painted.map(|(_, at)| (at % canvas.width, at / canvas.width)).collect();
        let columns = at.iter().map(|(x, _)| *x).min()?..=at.iter().map(|(x, _)| *x).max()?;
        Some((columns, at.iter().map(|(_, y)| *y).min()?..=at.iter().map(|(_, y)| *y).max()?))
    }

    #[test]
    fn a_box_is_drawn_where_it_is() {
        let mut canvas = canvas(200, 100);
        let region = Region { l: 0.25, t: 0.5, w: 0.5, h: 0.25 };
        canvas.draw(&Mark::Box { region, caption: String::new(), color: RED });
        // The outline is two pixels wide and lies on the edges.
        assert_eq!(extent(&canvas, rgb(RED)), Some((49..=151, 49..=76)));
    }

    #[test]
    fn a_text_stays_in_the_picture_as_far_as_it_fits() {
        for (x, y) in [(0.0, 0.0), (0.99, 0.99), (2.0, 2.0)] {
            let mut canvas = canvas(200, 100);
            canvas.draw(&Mark::Label { at: Place { x, y }, text: "Über\n1".to_owned(), color: RED });
            let (columns, rows) = extent(&canvas, SHADE).expect("there is a plate");
            assert_eq!((columns.count(), rows.count()), (6 * 8 + 6, 13 + 6));
            assert!(extent(&canvas, rgb(RED)).is_some(), "there are letters");
        }
    }

    #[test]
    fn marks_far_outside_draw_nothing_and_harm_nothing() {
        let far = [f32::MAX, f32::MIN, -1e9, 1e9];
        for l in far {
            for w in far {
                let mut canvas = canvas(64, 48);
                let region = Region { l, t: l, w, h: w };
                canvas.draw(&Mark::Box { region, caption: "far".to_owned(), color: RED });
                canvas.draw(&Mark::Line { a: Place { x: l, y: w }, b: Place { x: w, y: l }, color: RED });
            }
        }
    }
}
