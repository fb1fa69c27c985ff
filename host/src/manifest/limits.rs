//! The limits of a plugin: one table of their keys. From it the JSON Schema is made, what was typed is read,
//! and the owner's limits are held against the vendor's. A new limit is a field of [`Limits`] and a row here.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::machine::Machine;
use super::report::{FileId, Report, quoted};
use super::written::{At, LimitsSection, Name, Scalar};
use super::{Limits, units};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// One limit.
pub(super) struct Row {
    pub(super) key: &'static str,
    /// What is limited, for people.
    what: &'static str,
    amount: Amount,
}

/// What kind of value a limit has.
enum Amount {
    /// Bytes, typed as a size.
    Size(Of<u64>),
    /// Typed as a duration.
    Time(Of<Duration>),
    /// A whole number.
    Count(Of<u32>),
    /// Cores.
    Share(Of<f64>),
}

/// A field of [`Limits`] and what it takes.
struct Of<T> {
    field: fn(&mut Limits) -> &mut T,
    range: RangeInclusive<T>,
}

type Field<T> = fn(&mut Limits) -> &mut T;

const fn size(key: &'static str, what: &'static str, field: Field<u64>, range: RangeInclusive<u64>) -> Row {
    Row { key, what, amount: Amount::Size(Of { field, range }) }
}

const fn count(key: &'static str, what: &'static str, field: Field<u32>, range: RangeInclusive<u32>) -> Row {
    Row { key, what, amount: Amount::Count(Of { field, range }) }
}

const fn share(key: &'static str, what: &'static str, field: Field<f64>, range: RangeInclusive<f64>) -> Row {
    Row { key, what, amount: Amount::Share(Of { field, range }) }
}

/// In milliseconds.
const fn time(key: &'static str, what: &'static str, field: Field<Duration>, ms: RangeInclusive<u64>) -> Row {
    let range = Duration::from_millis(*ms.start())..=Duration::from_millis(*ms.end());
    Row { key, what, amount: Amount::Time(Of { field, range }) }
}

/// Every limit. The defaults are [`Limits::default`]'s.
#[rustfmt::skip] // One line a limit, to be read as a table.
pub(super) static TABLE: [Row; 22] = [
    size("memory", "Everything the plugin keeps in memory", |l| &mut l.memory_bytes, MIB..=4 * GIB),
    time("deadline", "Its own time in one call, waiting for the host not counted", |l| &mut l.deadline, 1..=10_000),
    share("cpu", "Cores it may keep busy, on average; frames are left out to keep to it", |l| &mut l.cpu, 0.01..=1.0),
    size("call_bytes", "What passes between plugin and host in one call", |l| &mut l.call_bytes, 64 * KIB..=64 * MIB),
    count("handles", "Frames, requests and other things of the host it holds at once", |l| &mut l.handles, 16..=100_000),
    count("queue", "Frames of a recording that wait for it, of each stream", |l| &mut l.queue, 1..=64),
    count("log_lines", "Log lines a second", |l| &mut l.log_lines, 1..=10_000),
    count("events", "Events a second", |l| &mut l.events, 1..=100_000),
    size("event_bytes", "Bytes of events a second", |l| &mut l.event_bytes, KIB..=GIB),
    count("marks", "Marks a second", |l| &mut l.marks, 1..=1_000_000),
    count("metrics", "Names of metrics", |l| &mut l.metrics, 1..=10_000),
    count("inferences", "Questions to models a second", |l| &mut l.inferences, 1..=100_000),
    count("storage_writes", "Changes of its storage a second", |l| &mut l.storage_writes, 1..=10_000),
    count("http_requests", "HTTP requests a second that it sends", |l| &mut l.http_requests, 1..=10_000),
    count("http_concurrent", "HTTP requests of its own at once", |l| &mut l.http_concurrent, 1..=64),
    size("http_bytes", "One body of an HTTP request of its own, each way", |l| &mut l.http_bytes, KIB..=64 * MIB),
    time("http_timeout", "The time of one HTTP request of its own, with its redirects", |l| &mut l.http_timeout, 100..=120_000),
    count("port_requests", "Requests a second to each of its ports", |l| &mut l.port_requests, 1..=10_000),
    count("port_connections", "Connections at once to each of its ports", |l| &mut l.port_connections, 1..=1024),
    count("port_queue", "Requests to its ports that wait for it", |l| &mut l.port_queue, 1..=256),
    size("port_bytes", "The body of one request to a port, and of its answer", |l| &mut l.port_bytes, KIB..=64 * MIB),
    time("port_timeout", "The time from a request's arrival at a port to the end of its answer", |l| &mut l.port_timeout, 100..=120_000),
];

/// A kind of value that a limit has.
trait Quantity: Copy + PartialOrd {
    /// What was typed, if it is one within `range`.
    ///
    /// # Errors
    /// The remedy.
    fn read(typed: &Scalar, range: &RangeInclusive<Self>) -> Result<Self, String>;

    /// As a manifest has it, quotation marks left out.
    fn show(self) -> String;
}

impl Quantity for u64 {
    fn read(typed: &Scalar, range: &RangeInclusive<Self>) -> Result<Self, String> {
        units::size(text(typed), range)
    }
    fn show(self) -> String {
        units::show_size(self)
    }
}

impl Quantity for Duration {
    fn read(typed: &Scalar, range: &RangeInclusive<Self>) -> Result<Self, String> {
        units::duration(text(typed), range)
    }
    fn show(self) -> String {
        units::show_duration(self)
    }
}

impl Quantity for u32 {
    fn read(typed: &Scalar, range: &RangeInclusive<Self>) -> Result<Self, String> {
        match typed {
            Scalar::Integer(number) => u32::try_from(*number).ok().filter(|number| range.contains(number)),
            _ => None,
        }
        .ok_or_else(|| format!("it takes a whole number from {} to {}", range.start(), range.end()))
    }
    fn show(self) -> String {
        self.to_string()
    }
}

impl Quantity for f64 {
    fn read(typed: &Scalar, range: &RangeInclusive<Self>) -> Result<Self, String> {
        match typed {
            Scalar::Integer(number) => Some(*number as f64),
            Scalar::Float(number) => Some(*number),
            _ => None,
        }
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("it takes a number from {} to {}", range.start(), range.end()))
    }
    fn show(self) -> String {
        self.to_string()
    }
}

/// A typed text; what is none has no unit, and so is refused as a text without one is.
fn text(typed: &Scalar) -> &str {
    match typed {
        Scalar::Text(text) => text,
        _ => "",
    }
}

/// The limits of one plugin as they are written.
pub(super) struct Written<'a> {
    pub(super) plugin: &'a At<Name>,
    pub(super) app: (FileId, Option<&'a LimitsSection>),
    pub(super) deploy: Option<(FileId, &'a LimitsSection)>,
}

impl Written<'_> {
    /// What stands in the end: the default, the vendor's in its place, the owner's where it is tighter.
    pub(super) fn check(&self, machine: &Machine, report: &mut Report) -> Limits {
        let mut limits = Limits::default();
        for row in &TABLE {
            match &row.amount {
                Amount::Size(of) => self.settle(row.key, of, &mut limits, report),
                Amount::Time(of) => self.settle(row.key, of, &mut limits, report),
                Amount::Count(of) => self.settle(row.key, of, &mut limits, report),
                Amount::Share(of) => self.settle(row.key, of, &mut limits, report),
            }
        }
        self.can_be_kept(&limits, machine, report);
        limits
    }

    fn settle<T: Quantity>(&self, key: &str, of: &Of<T>, limits: &mut Limits, report: &mut Report) {
        let plugin = &self.plugin.0;
        let limit = (of.field)(limits);
        let mut read = |file, typed: &At<Scalar>| {
            T::read(typed, &of.range).map_err(|remedy| {
                let what = format!("plugin `{plugin}`: `{key}` is {}; {remedy}", quoted(&typed.to_string()));
                report.at(file, typed.at(), what);
            })
        };
        if let Some(typed) = self.app.1.and_then(|written| written.0.get(key)) {
            match read(self.app.0, typed) {
                Ok(asked) => *limit = asked,
                // What the owner's would be held against is not known.
                Err(()) => return,
            }
        }
        let Some((file, typed)) = self.deploy.and_then(|(file, written)| Some((file, written.0.get(key)?)))
        else {
            return;
        };
        match read(file, typed) {
            Ok(tighter) if tighter <= *limit => *limit = tighter,
            Ok(_) => {
                let what = format!(
                    "plugin `{plugin}`: `{key}` of {} is looser than the app's `{}`; only tighter ones can be set here",
                    quoted(&typed.to_string()),
                    limit.show()
                );
                report.at(file, typed.at(), what);
            }
            Err(()) => {}
        }
    }

    /// Refuses what `machine` cannot enforce: a limit that does not hold is worse than none.
    fn can_be_kept(&self, limits: &Limits, machine: &Machine, report: &mut Report) {
        let plugin = &self.plugin.0;
        let mut wrong = |key: &str, what: String| {
            let deploy = self.deploy.and_then(|(file, written)| Some((file, written.0.get(key)?.at())));
            let app = self.app.1.and_then(|written| Some((self.app.0, written.0.get(key)?.at())));
            let (file, at) = deploy.or(app).unwrap_or((self.app.0, self.plugin.at()));
            report.at(file, at, format!("plugin `{plugin}`: {what}"));
        };
        if let Some(there) = machine.memory_bytes.filter(|there| limits.memory_bytes > *there) {
            let asked = units::show_size(limits.memory_bytes);
            let there = units::show_size(there / MIB * MIB);
            let what = format!(
                "`memory` of `{asked}` is more than the `{there}` of this machine; set a smaller one in `deploy.toml`"
            );
            wrong("memory", what);
        }
        if !machine.thread_cpu {
            let what = format!(
                "`cpu` of `{}` cannot be kept, for this machine has no CPU clock of a thread; run it on another",
                limits.cpu
            );
            wrong("cpu", what);
        }
    }
}

impl Row {
    /// The kind of value, its least and greatest, and its default, each as a manifest has it.
    pub(super) fn in_words(&self) -> [String; 4] {
        fn words<T: Quantity>(kind: &str, of: &Of<T>) -> [String; 4] {
            let default = *(of.field)(&mut Limits::default());
            [kind.to_owned(), of.range.start().show(), of.range.end().show(), default.show()]
        }
        match &self.amount {
            Amount::Size(of) => words("size", of),
            Amount::Time(of) => words("duration", of),
            Amount::Count(of) => words("whole number", of),
            Amount::Share(of) => words("number", of),
        }
    }

    fn schema(&self) -> Value {
        let [_, least, most, default] = self.in_words();
        let described =
            |units: &str| format!("{}{units}, from `{least}` to `{most}`. Default: `{default}`.", self.what);
        match &self.amount {
            Amount::Size(_) => json!({
                "type": "string", "pattern": units::SIZE_PATTERN, "examples": [default],
                "description": described(": `KiB`, `MiB` or `GiB`"),
            }),
            Amount::Time(_) => json!({
                "type": "string", "pattern": units::DURATION_PATTERN, "examples": [default],
                "description": described(": `ms` or `s`"),
            }),
            Amount::Count(of) => json!({
                "type": "integer", "minimum": of.range.start(), "maximum": of.range.end(),
                "description": described(""),
            }),
            Amount::Share(of) => json!({
                "type": "number", "minimum": of.range.start(), "maximum": of.range.end(),
                "description": described(""),
            }),
        }
    }
}

/// The JSON Schema of a `limits` table.
pub(super) fn schema() -> Value {
    let keys: Map<String, Value> = TABLE.iter().map(|row| (row.key.to_owned(), row.schema())).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": keys })
}

/// The limits of `limits` that are looser than the defaults, each as `key SHOWN (default SHOWN)`.
pub(super) fn looser(limits: &Limits) -> Vec<String> {
    fn row<T: Quantity>(key: &str, of: &Of<T>, limits: &Limits) -> Option<String> {
        let (mut limits, mut usual) = (*limits, Limits::default());
        let (has, usual) = (*(of.field)(&mut limits), *(of.field)(&mut usual));
        (has > usual).then(|| format!("{key} {} (default {})", has.show(), usual.show()))
    }
    let row = |entry: &Row| match &entry.amount {
        Amount::Size(of) => row(entry.key, of, limits),
        Amount::Time(of) => row(entry.key, of, limits),
        Amount::Count(of) => row(entry.key, of, limits),
        Amount::Share(of) => row(entry.key, of, limits),
    };
    TABLE.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_within_its_own_range() {
        fn holds<T: Quantity>(key: &str, of: &Of<T>) {
            assert!(of.range.contains((of.field)(&mut Limits::default())), "{key}");
        }
        for row in &TABLE {
            match &row.amount {
                Amount::Size(of) => holds(row.key, of),
                Amount::Time(of) => holds(row.key, of),
                Amount::Count(of) => holds(row.key, of),
                Amount::Share(of) => holds(row.key, of),
            }
        }
    }

    #[test]
    fn no_two_limits_share_a_key_or_a_field() {
        let mut keys: Vec<_> = TABLE.iter().map(|row| row.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), TABLE.len());
        let field = |row: &Row, limits: &mut Limits| -> usize {
            match &row.amount {
                Amount::Size(of) => std::ptr::from_mut((of.field)(limits)).addr(),
                Amount::Time(of) => std::ptr::from_mut((of.field)(limits)).addr(),
                Amount::Count(of) => std::ptr::from_mut((of.field)(limits)).addr(),
                Amount::Share(of) => std::ptr::from_mut((of.field)(limits)).addr(),
            }
        };
        let mut limits = Limits::default();
        let mut fields: Vec<_> = TABLE.iter().map(|row| field(row, &mut limits)).collect();
        fields.sort_unstable();
        fields.dedup();
        assert_eq!(fields.len(), TABLE.len());
    }
}
