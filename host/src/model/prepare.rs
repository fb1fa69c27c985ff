//! A region of a frame becomes an input tensor.

use super::description::{Channels, Input, Layout};
use super::tensor::{Array, Element, Values};
use crate::base::widest;
use crate::frame::{Frame, PictureError, PixelFormat, PixelRect, Placement, Shape, rows};

/// Turns pixels into tensor values: `pixel * gain + offset` for each channel, in the tensor's order.
pub(super) struct Prepare {
    shape: Shape,
    pad: u8,
    channels: Channels,
    /// Whether the channels of a pixel lie side by side.
    interleaved: bool,
    element: Element,
    axes: Vec<usize>,
    gain: [f32; 3],
    offset: [f32; 3],
}

impl Prepare {
    pub(super) fn new(input: &Input) -> Self {
        Prepare {
            shape: Shape {
                width: input.width,
                height: input.height,
                fit: input.fit,
                format: PixelFormat::Rgb8,
            },
            pad: input.pad,
            channels: input.channels,
            interleaved: matches!(input.layout, Layout::Nhwc | Layout::Hwc),
            element: input.element,
            axes: input.shape(),
            gain: [0, 1, 2].map(|channel| input.scale[channel] / input.std[channel]),
            offset: [0, 1, 2].map(|channel| -input.mean[channel] / input.std[channel]),
        }
    }

    /// Memory for the tensor.
    pub(super) fn blank(&self) -> Array {
        Array::zeros(self.element, &self.axes)
    }

    /// The values of black and of white, the least and the greatest over all channels.
    pub(super) fn range(&self) -> (f64, f64) {
        if matches!(self.element, Element::Uint8 | Element::Int32) {
            return (0.0, 255.0);
        }
        let ends = (0..3).flat_map(|channel| {
            [0.0, 255.0].map(|pixel: f32| f64::from(pixel * self.gain[channel] + self.offset[channel]))
        });
        ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), value| (a.min(value), b.max(value)))
    }

    /// Fills memory that [`Prepare::blank`] gave from a frame. One pass: no picture is stored in between.
    pub(super) fn prepare(
        &self,
        tensor: &mut Array,
        frame: &Frame,
        rect: PixelRect,
    ) -> Result<Placement, PictureError> {
        let take = &mut |y: usize, rgb: [&[u8]; 3]| self.row(&mut tensor.values, y, rgb);
        rows(frame, rect, self.shape, self.channels != Channels::Gray, self.pad, take)
    }

    fn row(&self, values: &mut Values, y: usize, [r, g, b]: [&[u8]; 3]) {
        let channels = match self.channels {
            Channels::Rgb => &[r, g, b][..],
            Channels::Bgr => &[b, g, r],
            Channels::Gray => &[r],
        };
        let (gain, offset) = (self.gain, self.offset);
        let value = |pixel: u8, channel: usize| f32::from(pixel) * gain[channel] + offset[channel];
        widest(
            #[inline(always)]
            || match values {
                Values::F32(values) => self.place(values, y, channels, value),
                Values::F16(values) => self.place(
                    values,
                    y,
                    channels,
                    #[inline(always)]
                    |pixel, channel| half::f16::from_f32(value(pixel, channel)).to_bits(),
                ),
                Values::U8(values) => self.place(
                    values,
                    y,
                    channels,
                    #[inline(always)]
                    |pixel, _| pixel,
                ),
                Values::I32(values) => self.place(
                    values,
                    y,
                    channels,
                    #[inline(always)]
                    |pixel, _| i32::from(pixel),
                ),
                // `blank` gives no other.
                _ => {}
            },
        );
    }

    #[inline(always)]
    fn place<T>(&self, values: &mut [T], y: usize, channels: &[&[u8]], value: impl Fn(u8, usize) -> T) {
        let (width, height) = (self.shape.width as usize, self.shape.height as usize);
        match *channels {
            [first, second, third] if self.interleaved => {
                let row = &mut values[y * width * 3..][..width * 3];
                for (((to, a), b), c) in row.chunks_exact_mut(3).zip(first).zip(second).zip(third) {
                    to[0] = value(*a, 0);
                    to[1] = value(*b, 1);
                    to[2] = value(*c, 2);
                }
            }
            _ => {
                for (channel, pixels) in channels.iter().enumerate() {
                    let row = &mut values[(channel * height + y) * width..][..width];
                    for (to, pixel) in row.iter_mut().zip(*pixels) {
                        *to = value(*pixel, channel);
                    }
                }
            }
        }
    }
}
