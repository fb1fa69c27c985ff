//! Y, U and V become red, green and blue, or the Y, U and V of JPEG.

use crate::base::widest;
use crate::frame::{Color, Matrix};

/// One output channel as a weighted sum of Y, U and V.
///
/// In 16-bit integers with 5 fractional bits, so that a vector register holds eight of them and the product
/// is its multiply-high instruction. Within 1 of the exact value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    /// Of Y above `black`, times 2^14.
    y: i16,
    /// Of U above 128, times 2^13.
    u: i16,
    /// Of V above 128, times 2^13.
    v: i16,
    /// Y of black.
    black: i16,
    /// What is added, and half a unit for rounding; 5 fractional bits.
    add: i16,
}

/// Weights of red and blue in Y; green has the rest (ITU-T H.273 table 4).
fn weights(matrix: Matrix) -> (f64, f64) {
    match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
    }
}

/// Red, green and blue of Y, U and V, all in full range (ITU-T H.273 equations 38 to 43, solved).
fn to_rgb(matrix: Matrix) -> [[f64; 3]; 3] {
    let (r, b) = weights(matrix);
    let g = 1.0 - r - b;
    let (v_of_r, u_of_b) = (2.0 * (1.0 - r), 2.0 * (1.0 - b));
    [[1.0, 0.0, v_of_r], [1.0, -u_of_b * b / g, -v_of_r * r / g], [1.0, u_of_b, 0.0]]
}

impl Mix {
    /// `weights` of full-range Y, U and V, for samples in the range of `color`; `base` is what all-black
    /// grey gives.
    fn new(weights: [f64; 3], base: f64, color: Color) -> Self {
        // Limited range: 219 steps of Y from 16, 224 of U and V (ITU-T H.273 equations 24 to 26).
        let (black, luma, chroma) =
            if color.full_range { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |weight: f64, one: f64| (weight * one).round() as i16;
        // Each product is cut, not rounded: half a step too low on average, given back here.
        let cut = weights.iter().filter(|weight| **weight != 0.0).count() as f64 / 2.0;
        Mix {
            y: fixed(weights[0] * luma, 16384.0),
            u: fixed(weights[1] * chroma, 8192.0),
            v: fixed(weights[2] * chroma, 8192.0),
            black,
            add: (base * 32.0 + 16.0 + cut).round() as i16,
        }
    }

    /// Red, green and blue.
    pub(super) fn rgb(color: Color) -> [Mix; 3] {
        to_rgb(color.matrix).map(|weights| Mix::new(weights, 0.0, color))
    }

    /// Full-range luma.
    pub(super) fn gray(color: Color) -> Mix {
        Mix::new([1.0, 0.0, 0.0], 0.0, color)
    }

    /// Y, Cb and Cr of JFIF: BT.601, full range. U and V alone decide Cb and Cr, whatever the matrix.
    pub(super) fn jfif(color: Color) -> [Mix; 3] {
        let rgb = to_rgb(color.matrix);
        let (r, b) = weights(Matrix::Bt601);
        let y = [r, 1.0 - r - b, b];
        let of = |weights: [f64; 3]| {
            [0, 1, 2].map(|column| (0..3).map(|row| weights[row] * rgb[row][column]).sum::<f64>())
        };
        let less_y = |channel: usize, scale: f64| {
            [0, 1, 2].map(|row| (f64::from(u8::from(row == channel)) - y[row]) / scale)
        };
        // What rounding leaves of weights that are 0 would only cost time.
        let clean = |weights: [f64; 3]| weights.map(|weight| if weight.abs() < 1e-9 { 0.0 } else { weight });
        [
            Mix::new(clean(of(y)), 0.0, color),
            Mix::new(clean(of(less_y(2, 2.0 * (1.0 - b)))), 128.0, color),
            Mix::new(clean(of(less_y(0, 2.0 * (1.0 - r)))), 128.0, color),
        ]
    }

    /// Whether U and V count.
    pub(super) fn has_chroma(&self) -> bool {
        self.u != 0 || self.v != 0
    }

    /// Fills `out` from as many samples of Y, U and V.
    pub(super) fn apply(&self, out: &mut [u8], y: &[u8], u: &[u8], v: &[u8]) {
        let mix = *self;
        widest(
            #[inline(always)]
            || {
                for (((out, y), u), v) in out.iter_mut().zip(y).zip(u).zip(v) {
                    *out = mix.close(mix.luma(*y) + high(chroma(*u), mix.u) + high(chroma(*v), mix.v));
                }
            },
        );
    }

    /// [`Mix::apply`] where Y does not count.
    pub(super) fn apply_chroma(&self, out: &mut [u8], u: &[u8], v: &[u8]) {
        let mix = *self;
        widest(
            #[inline(always)]
            || {
                for ((out, u), v) in out.iter_mut().zip(u).zip(v) {
                    *out = mix.close(high(chroma(*u), mix.u) + high(chroma(*v), mix.v));
                }
            },
        );
    }

    /// [`Mix::apply`] where U and V do not count.
    pub(super) fn apply_luma(&self, out: &mut [u8], y: &[u8]) {
        let mix = *self;
        widest(
            #[inline(always)]
            || {
                for (out, y) in out.iter_mut().zip(y) {
                    *out = mix.close(mix.luma(*y));
                }
            },
        );
    }

    /// Red, green and blue at once, where `mixes` come from [`Mix::rgb`]: Y counts alike in all three, U
    /// not in red, V not in blue.
    pub(super) fn apply_rgb(mixes: &[Mix; 3], [r, g, b]: [&mut [u8]; 3], y: &[u8], u: &[u8], v: &[u8]) {
        let [red, green, blue] = *mixes;
        widest(
            #[inline(always)]
            || {
                // One length for all, so that no index needs a check.
                let count = y.len();
                let (r, g, b) = (&mut r[..count], &mut g[..count], &mut b[..count]);
                let (u, v) = (&u[..count], &v[..count]);
                for at in 0..count {
                    let (luma, u, v) = (red.luma(y[at]), chroma(u[at]), chroma(v[at]));
                    r[at] = red.close(luma + high(v, red.v));
                    g[at] = green.close(luma + high(u, green.u) + high(v, green.v));
                    b[at] = blue.close(luma + high(u, blue.u));
                }
            },
        );
    }

    #[inline(always)]
    fn luma(&self, y: u8) -> i16 {
        high((i16::from(y) - self.black) << 7, self.y)
    }

    #[inline(always)]
    fn close(&self, sum: i16) -> u8 {
        ((sum + self.add) >> 5).clamp(0, 255) as u8
    }
}

#[inline(always)]
fn chroma(sample: u8) -> i16 {
    (i16::from(sample) - 128) << 8
}

#[inline(always)]
fn high(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}
