//! One manifest file: read, parsed, its shape checked, and taken in as its written type.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::de::{DeTable, DeValue, Deserializer};

use super::report::{FileId, MAX_LINES, Report, quoted};
use super::{MAX_FILE_BYTES, shape};

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

/// Reads the manifest at `path`, whose written type is `T` with this `schema`; none where too much is wrong
/// to say more.
pub(super) fn read<T: DeserializeOwned>(
    path: &Path,
    schema: &Value,
    report: &mut Report,
) -> Option<Document<T>> {
    let shown = path.strip_prefix(".").unwrap_or(path).to_string_lossy().into_owned();
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
    if !errors.is_empty() {
        syntax_errors(&text, &errors, file, report);
        return None;
    }
    let names = names(table.get_ref());
    let broken = shape::check(table.get_ref(), schema, file, report);
    // With more mistakes than are shown, those of meaning would only be counted.
    if broken.unreadable || broken.parts.len() > MAX_LINES {
        return None;
    }
    for part in &broken.parts {
        leave_out(table.get_mut(), part);
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

fn syntax_errors(text: &str, errors: &[toml::de::Error], file: FileId, report: &mut Report) {
    let is_duplicate = |error: &toml::de::Error| error.message() == "duplicate key";
    // One missing quote makes the parser misread the rest of the file, so only its first word counts.
    let first = errors.iter().find(|error| !is_duplicate(error));
    for error in first.map_or(errors, std::slice::from_ref) {
        let span = error.span().unwrap_or(text.len()..text.len());
        let what = match text.get(span.clone()) {
            Some(key) if is_duplicate(error) => format!("{} is here a second time; keep one", quoted(key)),
            _ if error.message().contains("recurs") => {
                "this is nested too deep; no manifest goes deeper than seven levels".to_owned()
            }
            _ => error.message().replace('\n', " "),
        };
        report.at(file, span.start, what);
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "is not there; give the path of a manifest".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
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

fn leave_out(table: &mut DeTable<'_>, part: &[String]) {
    match part {
        [] => {}
        [key] => drop(table.remove(key.as_str())),
        [key, rest @ ..] => {
            if let Some(DeValue::Table(inner)) = table.get_mut(key.as_str()).map(toml::Spanned::get_mut) {
                leave_out(inner, rest);
            }
        }
    }
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

/// `path` as it is written in a manifest of `folder`; without a leading `./`, which only lengthens messages.
pub(super) fn join(folder: &Path, path: &str) -> PathBuf {
    if folder == Path::new(".") { PathBuf::from(path) } else { folder.join(path) }
}
