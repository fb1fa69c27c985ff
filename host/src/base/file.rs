//! Reading files that strangers name.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;

/// The largest model: what a protocol buffer may have (protobuf.dev, size limits).
const LARGEST: u64 = 2 << 30;

/// All of the file at `path`. What is no regular file is an error and not opened: a pipe would wait for its other
/// end for ever, and a device has no end.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let data = std::fs::metadata(path)?;
    if !data.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a file"));
    }
    if data.len() > LARGEST {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is larger than {} GiB", LARGEST >> 30)));
    }
    std::fs::read(path)
}

/// The same, as text.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read_file(path)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is no UTF-8"))
}
