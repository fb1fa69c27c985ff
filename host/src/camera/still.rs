//! Pictures from files.

use std::path::Path;

use crate::base::{Error, Result, read_file};
use crate::frame::{self, Frame};

/// Reads a JPEG or PNG picture as a frame of its own; see [`frame::still`].
///
/// # Errors
/// What is wrong with the file, with its name.
pub fn still(path: &Path) -> Result<Frame> {
    let wrong = |why: String| Error::source(format!("{}: {why}", path.display()));
    let bytes = read_file(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    frame::still(&bytes).map_err(wrong)
}
