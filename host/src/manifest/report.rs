//! Mistakes, collected and put into words: `file:line:column: what; remedy`.

use std::fmt::Write as _;

use crate::base::{Error, Kind, deceives};

/// More lines than this help nobody, and a hostile file could have a hundred thousand.
pub(super) const MAX_LINES: usize = 50;
/// Longer names are not compared: the distance costs the product of the lengths.
const MAX_WORD_CHARS: usize = 64;
/// Longer values are not quoted whole.
const MAX_QUOTED_CHARS: usize = 160;

/// A file that took part, by its place in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(usize);

/// Where a mistake is. In the order lines are printed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// A byte of a file; none: the file as a whole.
    File(FileId, Option<usize>),
    /// An option of the command line, such as `--param threshold`.
    Flag(String),
}

struct File {
    /// Its path as the reader knows it.
    shown: String,
    text: String,
}

/// Every mistake so far.
#[derive(Default)]
pub(super) struct Report {
    files: Vec<File>,
    mistakes: Vec<(Place, String)>,
}

impl Report {
    /// Takes in a file, so that mistakes can be placed in it.
    pub(super) fn add_file(&mut self, shown: String, text: String) -> FileId {
        self.files.push(File { shown, text });
        FileId(self.files.len() - 1)
    }

    /// Notes a mistake at the byte `at` of `file`.
    pub(super) fn at(&mut self, file: FileId, at: usize, what: impl Into<String>) {
        self.mistakes.push((Place::File(file, Some(at)), what.into()));
    }

    /// Notes a mistake of `file` as a whole.
    pub(super) fn whole(&mut self, file: FileId, what: impl Into<String>) {
        self.mistakes.push((Place::File(file, None), what.into()));
    }

    /// Notes a mistake of the command line, `flag` as the owner gave it.
    pub(super) fn flag(&mut self, flag: impl Into<String>, what: impl Into<String>) {
        self.mistakes.push((Place::Flag(flag.into()), what.into()));
    }

    /// Nothing, or all mistakes as one error: by file, then in the order of the file.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        let kind = if self.mistakes.iter().all(|(place, _)| matches!(place, Place::Flag(_))) {
            Kind::Usage
        } else {
            Kind::Manifest
        };
        self.mistakes.sort();
        self.mistakes.dedup();
        let mut lines: Vec<String> = Vec::new();
        for (place, what) in self.mistakes.iter().take(MAX_LINES) {
            let line = match place {
                Place::File(file, None) => format!("{}: {what}", self.files[file.0].shown),
                Place::File(file, Some(at)) => {
                    let file = &self.files[file.0];
                    let (line, column) = position(&file.text, *at);
                    format!("{}:{line}:{column}: {what}", file.shown)
                }
                Place::Flag(flag) => format!("{flag}: {what}"),
            };
            // Paths and the parsers' own words have not been through `quoted`.
            lines.push(line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect());
        }
        if self.mistakes.len() > MAX_LINES {
            lines.push(format!("and {} more", self.mistakes.len() - MAX_LINES));
        }
        Err(Error::new(kind, lines.join("\n")))
    }
}

/// Line and column of the byte `at`, from 1, columns in characters as editors count them.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    // A byte order mark is no character to an editor.
    let before = text[..at].trim_start_matches('\u{feff}');
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// A value in backticks: one line, no control characters (a manifest is a stranger's text on the owner's
/// terminal), not too long.
pub(super) fn quoted(value: &str) -> String {
    format!("`{}`", plain(value))
}

/// A value as [`quoted`] has it, without its backticks.
pub(super) fn plain(value: &str) -> String {
    let mut shown = String::new();
    for (index, c) in value.chars().enumerate() {
        if index == MAX_QUOTED_CHARS {
            shown.push('…');
            break;
        }
        if deceives(c) {
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// `` `a`, `b` and `c` ``, joined by `word`; at most eight of them.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>, word: &str) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<String> = names.into_iter().map(quoted).collect();
    if names.len() > SHOWN {
        let more = names.len() - SHOWN;
        names.truncate(SHOWN);
        return format!("{} and {more} more", names.join(", "));
    }
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
    }
}

/// The known name that was probably meant.
pub(super) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.chars().count() > MAX_WORD_CHARS {
        return None;
    }
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        if name.chars().count() > MAX_WORD_CHARS {
            continue;
        }
        let likeness = strsim::normalized_damerau_levenshtein(wrong, name);
        if best.is_none_or(|(other, _)| likeness > other) {
            best = Some((likeness, name));
        }
    }
    // Up to a half the two have no more in common than not: `ports` and `params`.
    best.filter(|(likeness, _)| *likeness > 0.5).map(|(_, name)| name)
}

/// What there is in place of `wrong`, as a remedy.
pub(super) fn instead(owner: &str, wrong: &str, known: &[&str]) -> String {
    format!("{owner} has {}", one_of(wrong, known.iter().copied()))
}

/// The nearest of the `known` names, else all of them.
pub(super) fn one_of<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str, IntoIter: Clone>) -> String {
    let known = known.into_iter();
    match nearest(wrong, known.clone()) {
        Some(name) => quoted(name),
        None if known.clone().next().is_none() => "none".to_owned(),
        None => list(known, "and"),
    }
}
