//! The text of a `model.toml` as sections, keys and values that know where they stand.

use std::fmt::Write as _;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::deceives;

/// What is wrong, and the bytes of the text where.
pub(super) type Wrong = (Range<usize>, String);

/// A value where it stands.
pub(super) type Node<'a> = &'a Spanned<DeValue<'a>>;

/// A number as it was written, so that no digit of a 64-bit integer is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// Without a point.
    Whole(i64),
    /// With one.
    Real(f64),
}

impl Number {
    /// The nearest 64-bit float.
    pub(crate) fn real(self) -> f64 {
        match self {
            Number::Whole(value) => value as f64,
            Number::Real(value) => value,
        }
    }
}

/// Something wrong at a place.
pub(super) fn wrong<T>(at: Range<usize>, why: impl Into<String>) -> Result<T, Wrong> {
    Err((at, why.into()))
}

/// A value in backticks: one line, nothing that steers a terminal, not too long.
pub(super) fn quoted(value: &str) -> String {
    const MOST: usize = 80;
    let mut shown = String::from("`");
    for (index, c) in value.chars().enumerate() {
        if index == MOST {
            shown.push('…');
            break;
        }
        if deceives(c) {
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown.push('`');
    shown
}

/// Names in backticks with commas between; the first thirty.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 30;
    let names: Vec<&str> = names.into_iter().collect();
    let mut shown = names.iter().take(MOST).map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        let _ = write!(shown, " and {} more", names.len() - MOST);
    }
    shown
}

/// The name that was probably meant, or all there are.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let best = known
        .clone()
        .into_iter()
        .map(|key| (strsim::jaro_winkler(name, key), key))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match best {
        Some((likeness, key)) if likeness > 0.7 => format!("did you mean {}?", quoted(key)),
        Some(_) => format!("it has {}", list(known)),
        None => "it has none".to_owned(),
    }
}

/// What kind of value stands where another kind belongs.
fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {}", quoted(text)),
        DeValue::Integer(number) => format!("the number {}", quoted(number.as_str())),
        DeValue::Float(number) => format!("the number {}", quoted(number.as_str())),
        DeValue::Boolean(value) => format!("`{value}`"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// `key` holds something else than `wants`.
pub(super) fn unfit<T>(node: Node<'_>, key: &str, wants: &str) -> Result<T, Wrong> {
    wrong(node.span(), format!("{} is {}; it is {wants}", quoted(key), kind(node.get_ref())))
}

/// The table under `key` of the document, if there is one.
pub(super) fn table<'a>(
    document: &'a DeTable<'a>,
    key: &str,
) -> Result<Option<(Range<usize>, &'a DeTable<'a>)>, Wrong> {
    match document.get(key) {
        None => Ok(None),
        Some(node) => match node.get_ref() {
            DeValue::Table(table) => Ok(Some((node.span(), table))),
            _ => unfit(node, key, &format!("a table; write `[{key}]` on a line of its own")),
        },
    }
}

/// The number that stands there.
pub(super) fn number(node: Node<'_>) -> Option<Number> {
    match node.get_ref() {
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Number::Whole)
        }
        DeValue::Float(number) => number.as_str().parse().ok().map(Number::Real),
        _ => None,
    }
}

/// One table, whose keys are known.
#[derive(Clone)]
pub(super) struct Section<'a> {
    /// `[input]`, as people are told of it.
    pub(super) name: String,
    pub(super) span: Range<usize>,
    pub(super) table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// The section called `key`, which the document must have.
    pub(super) fn required(document: &'a DeTable<'a>, key: &str) -> Result<Self, Wrong> {
        match table(document, key)? {
            Some((span, table)) => Ok(Section { name: format!("[{key}]"), span, table }),
            None => {
                wrong(0..0, format!("`[{key}]` is missing; a model has `[model]`, `[input]` and `[output]`"))
            }
        }
    }

    /// The value under `key`.
    pub(super) fn value(&self, key: &str) -> Option<Node<'a>> {
        self.table.get(key)
    }

    /// Where `key` stands, for what is wrong with its being there.
    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        self.table.keys().find(|name| name.get_ref() == key).map_or(self.span.clone(), Spanned::span)
    }

    /// `found`, or that `key` is missing; `what` says what it is.
    pub(super) fn needed<T>(&self, key: &str, found: Option<T>, what: &str) -> Result<T, Wrong> {
        match found {
            Some(found) => Ok(found),
            None => wrong(self.span.clone(), format!("`{}` has no `{key}`: {what}", self.name)),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &str) -> Result<Option<Spanned<&'a str>>, Wrong> {
        let Some(node) = self.value(key) else { return Ok(None) };
        match node.get_ref() {
            DeValue::String(text) if text.is_empty() => {
                wrong(node.span(), format!("`{key}` is empty; give it a value or remove it"))
            }
            DeValue::String(text) => Ok(Some(Spanned::new(node.span(), text.as_ref()))),
            _ => unfit(node, key, "a text in quotation marks"),
        }
    }

    /// A text for people.
    pub(super) fn prose(&self, key: &str) -> Result<Option<String>, Wrong> {
        let Some(node) = self.value(key) else { return Ok(None) };
        match node.get_ref() {
            DeValue::String(text) => Ok(Some(text.clone().into_owned())),
            _ => unfit(node, key, "a text in quotation marks"),
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, Wrong> {
        let Some(node) = self.value(key) else { return Ok(None) };
        let named = words.iter().map(|(word, _)| *word);
        match node.get_ref() {
            DeValue::String(text) => match words.iter().find(|(word, _)| word == text) {
                Some((_, value)) => Ok(Some(*value)),
                None => {
                    let hint = nearest(text, named).replacen("it has", "it is one of", 1);
                    wrong(node.span(), format!("`{key}` is {}; {hint}", quoted(text)))
                }
            },
            _ => unfit(node, key, &format!("one of {}, in quotation marks", list(named))),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, Wrong> {
        let Some(node) = self.value(key) else { return Ok(None) };
        match node.get_ref() {
            DeValue::Boolean(value) => Ok(Some(*value)),
            _ => unfit(node, key, "`true` or `false`"),
        }
    }

    /// A whole number in a range; `what` says what it counts.
    pub(super) fn whole(
        &self,
        key: &str,
        range: RangeInclusive<i64>,
        what: &str,
    ) -> Result<Option<i64>, Wrong> {
        let Some(node) = self.value(key) else { return Ok(None) };
        match number(node) {
            Some(Number::Whole(value)) if range.contains(&value) => Ok(Some(value)),
            Some(Number::Whole(value)) => wrong(node.span(), format!("`{key}` is {value}; {what}")),
            _ => unfit(node, key, &format!("a whole number: {what}")),
        }
    }

    /// A number between 0 and 1.
    pub(super) fn fraction(&self, key: &str) -> Result<Option<f32>, Wrong> {
        self.value(key).map(|node| fraction(node, key)).transpose()
    }

    /// Finite numbers, as many as one of `counts`; a single one may stand alone.
    pub(super) fn reals(&self, key: &str, counts: &[usize]) -> Result<Option<Vec<f32>>, Wrong> {
        let Some(node) = self.value(key) else { return Ok(None) };
        let found = match node.get_ref() {
            DeValue::Array(values) => values.iter().map(real).collect::<Option<Vec<f32>>>(),
            _ => real(node).map(|value| vec![value]),
        };
        match found {
            Some(found) if counts.contains(&found.len()) => Ok(Some(found)),
            _ => {
                let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
                let counts = counts.join(" or ");
                wrong(
                    node.span(),
                    format!("`{key}` is not {counts} finite number{}", if counts == "1" { "" } else { "s" }),
                )
            }
        }
    }

    /// A list of texts, none of them empty.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<Spanned<&'a str>>>, Wrong> {
        self.value(key).map(|node| texts(node, key)).transpose()
    }

    /// That no key is here but these.
    pub(super) fn only(&self, known: &[&str], unknown: &mut Vec<Wrong>) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let hint = nearest(name, known.iter().copied());
                unknown.push((key.span(), format!("`{}` has no key {}; {hint}", self.name, quoted(name))));
            }
        }
    }
}

fn real(node: Node<'_>) -> Option<f32> {
    number(node).map(|value| value.real() as f32).filter(|value| value.is_finite())
}

/// The number between 0 and 1 that stands there.
pub(super) fn fraction(node: Node<'_>, key: &str) -> Result<f32, Wrong> {
    match number(node).map(Number::real) {
        Some(value) if (0.0..=1.0).contains(&value) => Ok(value as f32),
        Some(value) => wrong(node.span(), format!("{} is {value}; it is between 0 and 1", quoted(key))),
        None => unfit(node, key, "a number between 0 and 1"),
    }
}

/// The texts of the list that stands there.
pub(super) fn texts<'a>(node: Node<'a>, key: &str) -> Result<Vec<Spanned<&'a str>>, Wrong> {
    let DeValue::Array(items) = node.get_ref() else {
        return unfit(node, key, "a list of names: `[\"…\", \"…\"]`");
    };
    let text = |item: Node<'a>| match item.get_ref() {
        DeValue::String(text) if !text.is_empty() => Ok(Spanned::new(item.span(), text.as_ref())),
        DeValue::String(_) => wrong(item.span(), format!("`{key}` has an empty name in it")),
        _ => unfit(item, &format!("an entry of {key}"), "a name in quotation marks"),
    };
    items.iter().map(text).collect()
}

/// Line and column, from 1, of a byte offset; columns count characters.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
