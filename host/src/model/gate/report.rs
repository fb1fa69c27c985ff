//! What the gate found, for people and for machines.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::model::backend::DeviceKind;

/// Columns of the table that is printed.
const COLUMNS: usize = 100;

/// What became of a back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The others are compared with it.
    Reference,
    /// It says what the reference says.
    Agrees,
    /// It says something else.
    Wrong,
    /// It does not run this model.
    Refused,
    /// It did not finish in time, or was lost on the way.
    Lost,
    /// Nobody asked it.
    Untried,
}

/// A back end on a device, and what was found of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `rten`, `wonnx`, `onnxruntime`, `remote`.
    pub backend: String,
    /// Its version.
    pub version: String,
    /// What it runs on.
    pub device: String,
    /// `cpu`, `software-gpu`, `gpu` or `remote`.
    pub kind: String,
    /// What became of it.
    pub standing: Standing,
    /// Whether it is the one that runs the model.
    pub chosen: bool,
    /// Milliseconds it took to load; none where it did not.
    pub load_ms: Option<f64>,
    /// Its largest error, relative to the size of what is compared; of whole numbers the share that differs.
    pub max_error: Option<f64>,
    /// Its largest difference as it is.
    pub max_difference: Option<f64>,
    /// The error it may have.
    pub bound: f64,
    /// Median of an inference of one picture in milliseconds.
    pub median_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// Inferences timed.
    pub runs: usize,
    /// Bytes it holds, as far as it can tell.
    pub memory_bytes: Option<u64>,
    /// Several pictures at once; empty where it takes one only or was not asked.
    pub batches: Vec<Batched>,
    /// Why it is not chosen, or what else there is to say of it.
    pub reason: String,
}

/// An inference of several pictures at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Batched {
    /// Pictures.
    pub pictures: usize,
    /// Median of the whole inference in milliseconds.
    pub median_ms: f64,
}

/// What the gate found of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The model's name.
    pub model: String,
    /// SHA-256 of its file.
    pub digest: String,
    /// What was asked of each back end: `natural picture 1`, `noise 1` …
    pub probes: Vec<String>,
    /// A row for each back end and device, in the order they were given.
    pub rows: Vec<Row>,
    /// What else the reader must know to judge the table.
    pub notes: Vec<String>,
    /// Whether this was found at an earlier start and only proved again by one probe now.
    pub remembered: bool,
}

impl Row {
    /// The back end and its device: `wonnx on NVIDIA H200 (Vulkan)`.
    pub fn label(&self) -> String {
        format!("{} on {}", self.backend, self.device)
    }
}

/// A kind of device as a word.
pub(in crate::model) fn kind_word(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Cpu => "cpu",
        DeviceKind::SoftwareGpu => "software-gpu",
        DeviceKind::Gpu => "gpu",
        DeviceKind::Remote => "remote",
    }
}

impl Report {
    /// The row of the back end that runs the model.
    pub fn chosen(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.chosen)
    }

    /// The report as a page of text, at most 100 columns wide.
    pub fn text(&self) -> String {
        let mut text = format!("model `{}`, sha256 {}\n", self.model, self.digest);
        text += &self.verdict();
        text.push('\n');
        let head = ["back end", "device", "loads", "max error", "median", "p95", "memory"].map(str::to_owned);
        let mut lines = vec![head];
        lines.extend(self.rows.iter().map(cells));
        let mut widths = [0; 7];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let others: usize = widths.iter().sum::<usize>() - widths[1];
        widths[1] = widths[1].min(COLUMNS.saturating_sub(others + 2 + 2 * 6)).max(8);
        let indent = 4;
        for (index, line) in lines.iter().enumerate() {
            let row = index.checked_sub(1).map(|index| &self.rows[index]);
            text.push_str(if row.is_some_and(|row| row.chosen) { "* " } else { "  " });
            for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
                let cell = clip(cell, width);
                // Words to the left, numbers to the right.
                let _ =
                    if column < 2 { write!(text, "{cell:<width$}") } else { write!(text, "{cell:>width$}") };
                if column < 6 {
                    text.push_str("  ");
                }
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
            if let Some(row) = row {
                wrap(&mut text, &said(row), indent);
            }
        }
        if let Some(row) = self.chosen().filter(|row| row.batches.len() > 1) {
            text += "\nSeveral pictures at once\n";
            for batch in &row.batches {
                let each = ms(batch.median_ms / batch.pictures as f64);
                let _ = writeln!(text, "  {} in {:>8}, {each:>8} each", batch.pictures, ms(batch.median_ms));
            }
        }
        text.push('\n');
        for note in &self.notes {
            wrap(&mut text, note, 0);
        }
        if self.remembered {
            wrap(
                &mut text,
                "All this was found at an earlier start; the one that runs it was proved again now.",
                0,
            );
        }
        text
    }

    fn verdict(&self) -> String {
        let mut text = String::new();
        let agree = self
            .rows
            .iter()
            .filter(|row| matches!(row.standing, Standing::Agrees | Standing::Reference))
            .count();
        let tried = self.rows.iter().filter(|row| row.standing != Standing::Untried).count();
        let verdict = match self.chosen() {
            Some(row) if agree == 1 => {
                format!(
                    "runs on {}; {tried} back end{} tried",
                    row.label(),
                    if tried == 1 { "" } else { "s" }
                )
            }
            Some(row) => format!("runs on {}; {agree} of {tried} back ends tried agree", row.label()),
            None => "no back end runs it".to_owned(),
        };
        wrap(&mut text, &verdict, 0);
        text
    }
}

fn cells(row: &Row) -> [String; 7] {
    let none = || "-".to_owned();
    [
        row.backend.clone(),
        row.device.clone(),
        match (row.load_ms, row.standing) {
            (Some(load), _) => ms(load),
            (None, Standing::Untried) => "not tried".to_owned(),
            (None, _) => "no".to_owned(),
        },
        match (row.standing, row.max_error) {
            (Standing::Reference, _) => "reference".to_owned(),
            (Standing::Agrees, Some(0.0)) => "none".to_owned(),
            (Standing::Wrong, None) => "wrong".to_owned(),
            (_, Some(error)) => format!("{error:.1e}"),
            (_, None) => none(),
        },
        row.median_ms.map_or_else(none, ms),
        row.p95_ms.map_or_else(none, ms),
        row.memory_bytes.map_or_else(none, bytes),
    ]
}

/// The line under a row: its version, and the reason.
fn said(row: &Row) -> String {
    let wrong = if row.standing == Standing::Wrong { "wrong: " } else { "" };
    match (row.version.is_empty(), row.reason.is_empty()) {
        (true, _) => format!("{wrong}{}", row.reason),
        (false, true) => row.version.clone(),
        (false, false) => format!("{}: {wrong}{}", row.version, row.reason),
    }
}

/// Milliseconds for people.
fn ms(value: f64) -> String {
    match value {
        value if value < 0.1 => format!("{value:.3} ms"),
        value if value < 10.0 => format!("{value:.2} ms"),
        value if value < 100.0 => format!("{value:.1} ms"),
        value if value < 10_000.0 => format!("{value:.0} ms"),
        value => format!("{:.1} s", value / 1000.0),
    }
}

/// Bytes for people.
fn bytes(value: u64) -> String {
    let (kib, mib) = (value as f64 / 1024.0, value as f64 / f64::from(1 << 20));
    match mib {
        mib if mib < 1.0 => format!("{kib:.0} KiB"),
        mib if mib < 10.0 => format!("{mib:.1} MiB"),
        mib if mib < 10_000.0 => format!("{mib:.0} MiB"),
        mib => format!("{:.1} GiB", mib / 1024.0),
    }
}

fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Adds `words` in lines of at most [`COLUMNS`], each led by `indent` spaces.
fn wrap(text: &mut String, words: &str, indent: usize) {
    let room = COLUMNS - indent;
    let mut line = String::new();
    let mut used = 0;
    let mut end = |line: &mut String| {
        if !line.is_empty() {
            let _ = writeln!(text, "{:indent$}{line}", "");
            line.clear();
        }
    };
    for word in words.split_whitespace() {
        // A word longer than a line (a path, a digest) is cut into lines.
        let letters: Vec<char> = word.chars().collect();
        for piece in letters.chunks(room) {
            if used + usize::from(used > 0) + piece.len() > room {
                end(&mut line);
                used = 0;
            }
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.extend(piece);
            used += piece.len();
        }
    }
    end(&mut line);
}
