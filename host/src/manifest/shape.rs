//! Holds a TOML document against its JSON Schema: unknown keys, missing keys, wrong types, numbers and
//! lengths out of range, bad names. What an editor underlines is what is refused here, because both read the
//! same schema; serde, which stops at its first error, then finds nothing to complain of.

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::report::{FileId, Report, instead, list, nearest, quoted};
use super::units;

/// What of a document cannot be used. The mistakes themselves are in the report.
#[derive(Default)]
pub(super) struct Broken {
    /// The keys that lead to each part to be left out: a section, an item of a section, or a key that means
    /// nothing.
    pub(super) parts: Vec<Vec<String>>,
    /// Sections whose items are unknown, so that nothing can be said of references to them.
    pub(super) unreadable: bool,
}

/// Checks `table`, the text of `file`, against `schema`.
pub(super) fn check(table: &DeTable<'_>, schema: &Value, file: FileId, report: &mut Report) -> Broken {
    let mut walk =
        Walk { report, file, root: schema, path: Vec::new(), entries: Vec::new(), broken: Broken::default() };
    walk.table(table, 0, schema);
    walk.broken
}

struct Walk<'a> {
    report: &'a mut Report,
    file: FileId,
    root: &'a Value,
    /// The keys that lead to where the walk is.
    path: Vec<String>,
    /// How many keys lead to each list of which the walk is in an entry.
    entries: Vec<usize>,
    broken: Broken,
}

impl Walk<'_> {
    /// Notes a mistake within the present item, or section without items, which is thereby of no use.
    fn wrong(&mut self, at: usize, what: String) {
        if let Some(section) = self.path.first() {
            let has_items = self.root["properties"][section]["patternProperties"].is_object();
            let depth = if has_items { 2 } else { 1 };
            self.broken.parts.push(self.path[..depth.min(self.path.len())].to_vec());
        }
        self.report.at(self.file, at, what);
    }

    /// Whether a key of the file is a section rather than a value.
    fn is_section(&self, key: &str) -> bool {
        self.root["properties"][key]["type"] == "object"
    }

    /// A key of the file as it is written.
    fn in_brackets(&self, key: &str) -> String {
        if self.is_section(key) { format!("[{key}]") } else { key.to_owned() }
    }

    /// The present table or entry in words.
    fn here(&self) -> String {
        self.in_words(self.path.len(), &self.entries)
    }

    /// What the first `depth` keys lead to in words, `entries` of lists on the way.
    fn in_words(&self, depth: usize, entries: &[usize]) -> String {
        if let Some((list, outer)) = entries.split_last() {
            let entry = format!("an entry of {}", self.in_words(*list, outer));
            let keys = &self.path[*list..depth];
            return if keys.is_empty() { entry } else { format!("{} of {entry}", quoted(&keys.join("."))) };
        }
        match &self.path[..depth] {
            [] => "the file".to_owned(),
            [key] => quoted(&self.in_brackets(key)),
            [section, item] => quoted(&format!("[{section}.{item}]")),
            [section, item, rest @ ..] => {
                format!("{} in {}", quoted(&rest.join(".")), quoted(&format!("[{section}.{item}]")))
            }
        }
    }

    /// The present value in words: its key and the table it stands in. `[section]`s are tables, and so are
    /// their items but in `deploy.toml`'s `[params]`.
    fn this(&self, takes_table: bool) -> String {
        match self.path.as_slice() {
            [section, key] if !takes_table && self.entries.is_empty() => {
                format!("{} in {}", quoted(key), quoted(&format!("[{section}]")))
            }
            _ => self.here(),
        }
    }

    fn table(&mut self, table: &DeTable<'_>, at: usize, schema: &Value) {
        let empty = Map::new();
        let known = schema["properties"].as_object().unwrap_or(&empty);
        let items = schema["patternProperties"].as_object().and_then(|map| map.values().next());
        if let Some(most) = schema["maxProperties"].as_u64().filter(|most| table.len() as u64 > *most) {
            self.broken.unreadable = true;
            return self
                .wrong(at, format!("{} has {} items; it takes at most {most}", self.here(), table.len()));
        }
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut meant = Vec::new();
        for (key, value) in &entries {
            let name: &str = key.get_ref();
            if let Some(schema) = items {
                self.path.push(name.to_owned());
                if !units::is_name(name) {
                    self.bad_name(name, key.span().start);
                }
                self.value(value, key.span().start, schema);
                self.path.pop();
            } else if let Some(schema) = known.get(name) {
                self.path.push(name.to_owned());
                self.value(value, key.span().start, schema);
                self.path.pop();
            } else {
                let is_there = |name: &str| table.contains_key(name);
                meant.extend(self.unknown(key, value.get_ref().is_table(), known, is_there));
            }
        }
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for key in required.iter().filter_map(Value::as_str) {
            // A misspelt key has been reported once.
            if !meant.iter().any(|name| name == key) && !table.contains_key(key) {
                self.missing(key, at, &known[key]);
            }
        }
        if table.is_empty() && schema["minProperties"].as_u64().is_some_and(|least| least > 0) {
            let section = self.path.last().map(String::as_str).unwrap_or_default();
            self.wrong(at, format!("{} is empty; add one as `[{section}.NAME]`", self.here()));
        }
    }

    fn bad_name(&mut self, name: &str, at: usize) {
        let section = self.path.first().map(String::as_str).unwrap_or_default();
        let what = section.strip_suffix('s').unwrap_or(section).to_owned();
        self.wrong(
            at,
            format!(
                "{} cannot name a {what}; a name is 1 to 64 of a-z, 0-9, `_` and `-`, first a letter",
                quoted(name)
            ),
        );
    }

    /// Notes an unknown key; the known one it was meant for, if that is clear and not there as well.
    fn unknown(
        &mut self,
        key: &Spanned<DeString<'_>>,
        is_table: bool,
        known: &Map<String, Value>,
        is_there: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let (name, at): (&str, usize) = (key.get_ref(), key.span().start);
        // Sorted, for the order of a JSON object depends on the features other crates ask of `serde_json`.
        let mut names: Vec<&str> = known.keys().map(String::as_str).collect();
        names.sort_unstable();
        let near = nearest(name, names.iter().copied());
        let meant = near.filter(|near| !is_there(near)).map(str::to_owned);
        let mut part = self.path.clone();
        part.push(name.to_owned());
        self.broken.parts.push(part);
        if !self.path.is_empty() {
            let what =
                format!("{} has no key {}; {}", self.here(), quoted(name), instead("it", name, &names));
            // An entry has no keys of its own that lead to it, so that nothing less can be left out.
            if meant.is_some() || !self.entries.is_empty() {
                self.wrong(at, what);
            } else {
                self.report.at(self.file, at, what);
            }
            return meant;
        }
        let there = match near {
            Some(near) => quoted(&self.in_brackets(near)),
            None => {
                let keys: Vec<String> = names.iter().map(|name| self.in_brackets(name)).collect();
                list(keys.iter().map(String::as_str), "and")
            }
        };
        let what = if is_table {
            format!("there is no section {}; there is {there}", quoted(&format!("[{name}]")))
        } else if near.is_some_and(|near| !self.is_section(near)) {
            format!("there is no key {}; there is {there}", quoted(name))
        } else {
            format!("the key {} stands in no section; there is {there}", quoted(name))
        };
        self.report.at(self.file, at, what);
        self.broken.unreadable |= meant.as_deref().is_some_and(|meant| self.is_section(meant));
        meant
    }

    fn missing(&mut self, key: &str, at: usize, schema: &Value) {
        if self.path.is_empty() {
            let add = if schema["patternProperties"].is_object() {
                format!("[{key}.NAME]")
            } else {
                format!("[{key}]")
            };
            return self.report.at(self.file, at, format!("the section `[{key}]` is missing; add `{add}`"));
        }
        let example = match &schema["examples"][0] {
            Value::Null => "…".to_owned(),
            example => example.to_string(),
        };
        self.wrong(at, format!("{} has no `{key}`; add it, as in `{key} = {example}`", self.here()));
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, key_at: usize, schema: &Value) {
        let at = value.span().start;
        let kind = kind_of(value.get_ref());
        let Some(fit) = alternatives(schema).find(|schema| allows(schema, kind)) else {
            let takes: Vec<&str> = alternatives(schema).flat_map(types).map(in_words).collect();
            let is_table = takes == ["a table"];
            self.broken.unreadable |= self.path.len() == 1 && is_table;
            let what = format!("{} is {}; it takes {}", self.this(is_table), in_words(kind), either(&takes));
            // A table written by its header has its key as its place.
            return self.wrong(if kind == "object" { key_at } else { at }, what);
        };
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, key_at, fit),
            DeValue::Array(entries) => {
                if let Some(most) = fit["maxItems"].as_u64().filter(|most| entries.len() as u64 > *most) {
                    let what =
                        format!("{} has {} entries; it takes at most {most}", self.here(), entries.len());
                    return self.wrong(at, what);
                }
                if entries.is_empty() && fit["minItems"].as_u64().is_some_and(|least| least > 0) {
                    self.wrong(at, format!("{} is empty; it takes at least one entry", self.here()));
                }
                self.entries.push(self.path.len());
                for entry in entries.iter() {
                    self.value(entry, entry.span().start, &fit["items"]);
                }
                self.entries.pop();
            }
            DeValue::String(text) => {
                let this = self.this(false);
                self.text(&this, text, at, schema, fit);
            }
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => self.number(number as f64, &number.to_string(), at, fit),
                Err(_) => self.wrong(
                    at,
                    format!(
                        "{} is {}; a whole number fits in 64 bits",
                        self.this(false),
                        quoted(&number.to_string())
                    ),
                ),
            },
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(value) if value.is_finite() => self.number(value, number.as_str(), at, fit),
                _ => self.wrong(
                    at,
                    format!("{} is {}; it takes a finite number", self.this(false), quoted(number.as_str())),
                ),
            },
            DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }

    fn number(&mut self, value: f64, shown: &str, at: usize, schema: &Value) {
        let over = schema["exclusiveMinimum"].as_f64();
        let least = schema["minimum"].as_f64();
        let most = schema["maximum"].as_f64();
        if over.is_some_and(|over| value <= over)
            || least.is_some_and(|least| value < least)
            || most.is_some_and(|most| value > most)
        {
            let takes = match (over.map(|over| format!("over {over}")), least, most) {
                (Some(over), _, Some(most)) => format!("{over} and at most {most}"),
                (None, Some(least), Some(most)) => format!("from {least} to {most}"),
                (over, least, most) => over
                    .or(least.map(|least| format!("of at least {least}")))
                    .or(most.map(|most| format!("of at most {most}")))
                    .unwrap_or_default(),
            };
            self.wrong(at, format!("{} is {}; it takes a number {takes}", self.this(false), quoted(shown)));
        }
    }

    /// Of the alternatives of `schema`, `fit` is the first that takes texts.
    fn text(&mut self, this: &str, text: &str, at: usize, schema: &Value, fit: &Value) {
        let length = text.chars().count() as u64;
        if length == 0 && fit["minLength"].as_u64().is_some_and(|least| least > 0) {
            self.wrong(at, format!("{this} is empty; write something"));
        } else if let Some(most) = fit["maxLength"].as_u64().filter(|most| length > *most) {
            let what = format!("{this} has {length} characters; it takes at most {most}");
            self.wrong(at, what);
        }
        let listed = fit["enum"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
        let consts = alternatives(schema).map(|choice| &choice["const"]);
        let choices: Vec<&str> = listed.chain(consts).filter_map(Value::as_str).collect();
        if !choices.is_empty() && !choices.contains(&text) {
            let takes = match nearest(text, choices.iter().copied()) {
                Some(choice) => quoted(choice),
                None => list(choices, "or"),
            };
            self.wrong(at, format!("{this} is {}; it takes {takes}", quoted(text)));
        }
    }
}

/// The schemas of which one must fit.
fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    let several = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    let one = if several.is_none() { Some(schema) } else { None };
    several.into_iter().flatten().chain(one)
}

/// The types a schema takes, by their names in JSON Schema.
fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn allows(schema: &Value, kind: &str) -> bool {
    types(schema).iter().any(|one| *one == kind || (*one == "number" && kind == "integer"))
}

/// The type of a TOML value by its name in JSON Schema, which knows no dates.
fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

fn in_words(kind: &str) -> &'static str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "a boolean",
        "array" => "a list",
        "object" => "a table",
        _ => "a date",
    }
}

fn either(kinds: &[&str]) -> String {
    match kinds.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => kinds.concat(),
    }
}
