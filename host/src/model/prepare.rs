//! A region of a frame becomes an input tensor.

use super::description::{Channels, Element, Input, Layout};
use crate::base::widest;
use crate::frame::{Frame, PictureError, PixelFormat, PixelRect, Placement, Shape, rows};

/// The values of an input tensor, in the memory order of its layout.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Float(Vec<f32>),
    Bytes(Vec<u8>),
}

/// Turns pixels into tensor values: `pixel * gain + offset` for each channel, in the tensor's order.
pub(super) struct Prepare {
    shape: Shape,
    pad: u8,
    swap: bool,
    layout: Layout,
    element: Element,
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
            swap: input.channels == Channels::Bgr,
            layout: input.layout,
            element: input.element,
            gain: input.std.map(|std| input.scale / std),
            offset: [0, 1, 2].map(|channel| -input.mean[channel] / input.std[channel]),
        }
    }

    /// Sizes of the tensor's axes.
    pub(super) fn axes(&self) -> [usize; 4] {
        let (width, height) = (self.shape.width as usize, self.shape.height as usize);
        match self.layout {
            Layout::Nchw => [1, 3, height, width],
            Layout::Nhwc => [1, height, width, 3],
        }
    }

    /// Memory for the tensor.
    pub(super) fn blank(&self) -> Values {
        let size = self.axes().iter().product();
        match self.element {
            Element::Float32 => Values::Float(vec![0.0; size]),
            Element::Uint8 => Values::Bytes(vec![0; size]),
        }
    }

    /// Fills memory that [`Prepare::blank`] gave with what `grey` pixels all over would give.
    pub(super) fn fill(&self, values: &mut Values, grey: u8) {
        let row = vec![grey; self.shape.width as usize];
        for y in 0..self.shape.height as usize {
            self.row(values, y, [&row, &row, &row]);
        }
    }

    /// Fills memory that [`Prepare::blank`] gave from a frame. One pass: no picture is stored in between.
    pub(super) fn prepare(
        &self,
        values: &mut Values,
        frame: &Frame,
        rect: PixelRect,
    ) -> Result<Placement, PictureError> {
        rows(frame, rect, self.shape, self.pad, &mut |y, rgb| self.row(values, y, rgb))
    }

    fn row(&self, values: &mut Values, y: usize, [r, g, b]: [&[u8]; 3]) {
        let channels = if self.swap { [b, g, r] } else { [r, g, b] };
        let (gain, offset) = (self.gain, self.offset);
        widest(
            #[inline(always)]
            || match values {
                Values::Float(values) => self.place(
                    values,
                    y,
                    channels,
                    #[inline(always)]
                    |pixel, channel| f32::from(pixel) * gain[channel] + offset[channel],
                ),
                Values::Bytes(values) => self.place(
                    values,
                    y,
                    channels,
                    #[inline(always)]
                    |pixel, _| pixel,
                ),
            },
        );
    }

    #[inline(always)]
    fn place<T>(&self, values: &mut [T], y: usize, channels: [&[u8]; 3], value: impl Fn(u8, usize) -> T) {
        let (width, height) = (self.shape.width as usize, self.shape.height as usize);
        match self.layout {
            Layout::Nchw => {
                for (channel, pixels) in channels.into_iter().enumerate() {
                    let row = &mut values[(channel * height + y) * width..][..width];
                    for (to, pixel) in row.iter_mut().zip(pixels) {
                        *to = value(*pixel, channel);
                    }
                }
            }
            Layout::Nhwc => {
                let row = &mut values[y * width * 3..][..width * 3];
                let [first, second, third] = channels;
                for (((to, a), b), c) in row.chunks_exact_mut(3).zip(first).zip(second).zip(third) {
                    to[0] = value(*a, 0);
                    to[1] = value(*b, 1);
                    to[2] = value(*c, 2);
                }
            }
        }
    }
}
