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
