//! Reading files that strangers name.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;

/// All of the file at `path`. What is no regular file is an error and not opened: a pipe would wait for its other
/// end for ever, and a device has no end.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a file"));
    }
    std::fs::read(path)
}

/// The same, as text.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read_file(path)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is no UTF-8"))
}
