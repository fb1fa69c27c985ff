//! How Y, U and V become red, green and blue.

/// Luma weights, from `matrix_coefficients` (ITU-T H.273 table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Matrix {
    /// BT.601: values 5 and 6, and what is unspecified below 720 lines is taken to be.
    #[default]
    Bt601,
    /// BT.709: value 1.
    Bt709,
    /// BT.2020 non-constant luminance: value 9.
    Bt2020,
}

/// A stream's colour description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Color {
    /// Luma weights.
    pub matrix: Matrix,
    /// Whether Y, U and V use 0 ..= 255 (`video_full_range_flag`) rather than 16 ..= 235/240.
    pub full_range: bool,
}

/// JFIF's Y, Cb and Cr: BT.601 in full range (ITU-T T.871 clause 7), rounded.
pub(super) fn ycbcr([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (r, g, b) = (f32::from(r), f32::from(g), f32::from(b));
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    let [u, v] = [(b - y) / 1.772 + 128.0, (r - y) / 1.402 + 128.0];
    // `as` keeps what is outside 0 ..= 255 at its ends.
    [y, u, v].map(|value| (value + 0.5) as u8)
}
