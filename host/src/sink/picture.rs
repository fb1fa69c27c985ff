//! A picture as a PNG file.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use super::Painted;
use crate::base::{Error, Result};

/// Writes a picture; a file that is there is overwritten.
pub fn save_png(path: &Path, picture: &Painted) -> Result<()> {
    let wrong = |why: String| Error::sink(format!("{}: cannot be written: {why}", path.display()));
    let file = File::create(path).map_err(|error| wrong(error.to_string()))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(|error| wrong(error.to_string()))?;
    writer.write_image_data(&picture.pixels).map_err(|error| wrong(error.to_string()))?;
    writer.finish().map_err(|error| wrong(error.to_string()))
}
