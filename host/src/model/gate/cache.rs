//! Verdicts of earlier starts: a file a model, in a folder of the user's cache.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::proof::Proof;
use super::report::Report;

/// More than this is no verdict of ours.
const LARGEST: u64 = 4 << 20;

/// A verdict as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Digest of all that the verdict depends on.
    pub(super) key: String,
    /// Microseconds since 1970 after which it is void: where a back end was lost, it may be back by then.
    pub(super) until_us: Option<i64>,
    /// What was found.
    pub(super) report: Report,
    /// Rows of the report that agree, the fastest first.
    pub(super) ranked: Vec<usize>,
    /// What the reference said, to prove the chosen one by.
    pub(super) proof: Proof,
}

/// SHA-256 of parts, each led by its length so that no two lists of parts are one.
pub(super) struct Key(Sha256);

impl Key {
    pub(super) fn new() -> Self {
        Key(Sha256::new())
    }

    pub(super) fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// In lower-case hex.
    pub(super) fn finish(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0.finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// The file a verdict lies in.
pub(super) fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

/// What is kept in `file`: none where there is none, an error for people where it is of no use.
pub(super) fn read(file: &Path, key: &str, now_us: i64) -> Result<Option<Kept>, String> {
    let broken = |why: &dyn std::fmt::Display| {
        format!(
            "{}: the verdict kept there is of no use, so the back ends are compared anew: {why}",
            file.display()
        )
    };
    // A pipe would be waited for.
    let data = match std::fs::metadata(file) {
        Ok(data) => data,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(broken(&error)),
    };
    if !data.is_file() || data.len() > LARGEST {
        return Err(broken(&"it is not a file of Transom's"));
    }
    let opened = std::fs::File::open(file).map_err(|error| broken(&error))?;
    let mut text = Vec::new();
    opened.take(LARGEST).read_to_end(&mut text).map_err(|error| broken(&error))?;
    let kept: Kept = serde_json::from_slice(&text).map_err(|error| broken(&error))?;
    // Another version, driver or device: not broken, only of another day.
    if kept.key != key || kept.until_us.is_some_and(|until| until <= now_us) {
        return Ok(None);
    }
    let rows = kept.report.rows.len();
    if kept.ranked.is_empty() || kept.ranked.iter().any(|row| *row >= rows) {
        return Err(broken(&"it names back ends that it does not have"));
    }
    Ok(Some(kept))
}

/// Keeps a verdict; readers see the old file or the new one and nothing in between.
pub(super) fn write(file: &Path, kept: &Kept) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("{}: the verdict cannot be kept, so the next start compares again: {error}", file.display())
    };
    let text = serde_json::to_vec(kept).map_err(|error| failed(&error))?;
    let folder = file.parent().ok_or_else(|| failed(&"it has no folder"))?;
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let process = std::process::id();
    let temporary = file.with_extension(format!("{process}.{:?}.new", std::thread::current().id()));
    let written = std::fs::File::create(&temporary)
        .and_then(|mut created| created.write_all(&text))
        .and_then(|()| std::fs::rename(&temporary, file));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        failed(&error)
    })
}
