//! One manifest file: read, parsed, its shape checked, and taken in as its written type.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::report::{FileId, Report};
use super::{MAX_FILE_BYTES, schema, shape};

/// A file as far as it can be understood.
pub(super) struct Document<T> {
    pub(super) file: FileId,
    /// Where its paths start from.
    pub(super) folder: PathBuf,
    /// What was written, less the items that have a mistake of shape.
    pub(super) written: T,
    /// Every name in each section, those of items left out of `written` as well: a plugin may refer to a
    /// camera whose own lines are wrong without being wrong itself.
    names: BTreeMap<String, Vec<String>>,
}

impl<T> Document<T> {
    /// The names written in a section, in the order of the file.
    pub(super) fn names(&self, section: &str) -> Vec<&str> {
        self.names.get(section).into_iter().flatten().map(String::as_str).collect()
    }
}

/// Reads the manifest at `path`; none where too much is wrong to say more.
pub(super) fn read<T>(path: &Path, report: &mut Report) -> Option<Document<T>>
where
    T: DeserializeOwned + JsonSchema,
{
    let shown = show(path);
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(what) => {
            let file = report.add_file(shown, String::new());
            report.whole(file, what);
            return None;
        }
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            let file = report.add_file(shown, text);
            report.at(file, valid, "this is no UTF-8; save the file as UTF-8");
            return None;
        }
    };
    let file = report.add_file(shown, text.clone());
    let (mut table, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let at = error.span().map_or(text.len(), |span| span.start);
        report.at(file, at, error.message().replace('\n', " "));
    }
    if !errors.is_empty() {
        return None;
    }
    let names = names(table.get_ref());
    let schema = schema::schema_of::<T>();
    let broken = shape::check(table.get_ref(), schema.as_value(), file, report);
    if broken.unreadable {
        return None;
    }
    for (section, item) in &broken.items {
        match (item, table.get_mut().get_mut(section.as_str()).map(toml::Spanned::get_mut)) {
            (Some(item), Some(DeValue::Table(items))) => drop(items.remove(item.as_str())),
            _ => drop(table.get_mut().remove(section.as_str())),
        }
    }
    match T::deserialize(Deserializer::from(table)) {
        Ok(written) => Some(Document { file, folder: folder_of(path), written, names }),
        Err(error) => {
            // The schema and the types are one, so this is a gap in `shape`; still a message, never a panic.
            report.at(file, error.span().map_or(0, |span| span.start), error.message().replace('\n', " "));
            None
        }
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    // Looked at first, for to open a pipe is to wait for its other end.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a file; a manifest is a text file".to_owned());
    }
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err("is larger than `1MiB`; no manifest needs as much".to_owned());
    }
    Ok(bytes)
}

fn names(table: &DeTable<'_>) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::new();
    for (section, items) in table {
        if let DeValue::Table(items) = items.get_ref() {
            let mut keys: Vec<_> = items.keys().collect();
            keys.sort_by_key(|key| key.span().start);
            names.insert(
                section.get_ref().to_string(),
                keys.iter().map(|key| key.get_ref().to_string()).collect(),
            );
        }
    }
    names
}

/// The folder a file stands in, never empty.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A path as messages lead with it: no `./`, no control characters.
pub(super) fn show(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path);
    printable(&path.to_string_lossy())
}

/// Text without control characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
