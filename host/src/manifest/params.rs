//! Params: what a declaration allows, and values held against it.

use std::collections::HashSet;

use super::ParamValue;
use super::report::{FileId, Report, list, quoted};
use super::written::{At, Name, Number, ParamSection, ParamType, Scalar};

/// What texts may be where the manifest does not say, in characters.
const DEFAULT_MAX_LENGTH: u32 = 4096;

/// What values a param takes.
pub(super) enum Takes {
    Float { min: Option<f64>, max: Option<f64> },
    Integer { min: Option<i64>, max: Option<i64> },
    Text { max_length: u32 },
    Choice(Vec<String>),
    Boolean,
}

impl Takes {
    /// What `written` declares; none where it contradicts itself, which is then reported.
    pub(super) fn from_written(
        name: &At<Name>,
        written: &ParamSection,
        file: FileId,
        report: &mut Report,
    ) -> Option<Self> {
        let mut sound = true;
        let name = quoted(&name.0);
        let mut wrong = |at: usize, what: String| {
            report.at(file, at, format!("param {name}: {what}"));
            sound = false;
        };
        let kind = *written.r#type;
        let is_number = matches!(kind, ParamType::Float | ParamType::Integer);
        for (key, bound) in [("min", &written.min), ("max", &written.max)] {
            match bound {
                Some(bound) if !is_number => {
                    wrong(
                        bound.at(),
                        format!("`{key}` is for numbers, and it is {}; leave `{key}` out", in_words(kind)),
                    );
                }
                Some(bound) if kind == ParamType::Integer && matches!(**bound, Number::Float(_)) => {
                    wrong(
                        bound.at(),
                        format!("`{key}` of an integer is a whole number; write it without a point"),
                    );
                }
                _ => {}
            }
        }
        if let (Some(min), Some(max)) = (&written.min, &written.max)
            && as_f64(min) > as_f64(max)
        {
            wrong(min.at(), "`min` is greater than `max`; exchange them".to_owned());
        }
        if let Some(choices) = &written.choices {
            if kind != ParamType::Text {
                wrong(
                    choices.at(),
                    format!("`choices` is for text, and it is {}; leave `choices` out", in_words(kind)),
                );
            }
            let mut seen = HashSet::new();
            for choice in choices.iter() {
                if !seen.insert(choice.as_str()) {
                    wrong(choice.at(), format!("`choices` has {} twice; once is enough", quoted(choice)));
                }
            }
        }
        if let Some(max_length) = &written.max_length {
            if kind != ParamType::Text {
                let kind = in_words(kind);
                wrong(
                    max_length.at(),
                    format!("`max_length` is for text, and it is {kind}; leave `max_length` out"),
                );
            } else if written.choices.is_some() {
                wrong(
                    max_length.at(),
                    "`choices` already says how long it can be; leave `max_length` out".to_owned(),
                );
            }
        }
        let whole = |bound: &Option<At<Number>>| match bound.as_deref() {
            Some(Number::Integer(value)) => Some(*value),
            _ => None,
        };
        sound.then(|| match kind {
            ParamType::Float => Takes::Float {
                min: written.min.as_deref().map(as_f64),
                max: written.max.as_deref().map(as_f64),
            },
            ParamType::Integer => Takes::Integer { min: whole(&written.min), max: whole(&written.max) },
            ParamType::Text => match &written.choices {
                Some(choices) => Takes::Choice(choices.iter().map(|choice| (**choice).clone()).collect()),
                None => Takes::Text {
                    max_length: written.max_length.as_deref().copied().unwrap_or(DEFAULT_MAX_LENGTH),
                },
            },
            ParamType::Boolean => Takes::Boolean,
        })
    }

    /// The value as the param's type has it.
    ///
    /// # Errors
    /// What it is and what is taken: `` `1.5`; it takes a number from 0 to 1 ``.
    pub(super) fn value(&self, typed: &Scalar) -> Result<ParamValue, String> {
        let (value, shown) = match (self, typed) {
            (Takes::Float { .. }, Scalar::Integer(value)) => {
                (ParamValue::Float(*value as f64), value.to_string())
            }
            (_, Scalar::Float(value)) => (ParamValue::Float(*value), value.to_string()),
            (_, Scalar::Integer(value)) => (ParamValue::Integer(*value), value.to_string()),
            (_, Scalar::Boolean(value)) => (ParamValue::Boolean(*value), value.to_string()),
            (_, Scalar::Text(value)) => (ParamValue::Text(value.clone()), value.clone()),
        };
        if self.takes(&value) { Ok(value) } else { Err(self.refusal(&shown, &value)) }
    }

    /// The value meant by `text` on a command line.
    ///
    /// # Errors
    /// As [`value`](Takes::value).
    pub(super) fn parse(&self, text: &str) -> Result<ParamValue, String> {
        let as_text = || ParamValue::Text(text.to_owned());
        let value = match self {
            Takes::Float { .. } => text.parse().map(ParamValue::Float).unwrap_or_else(|_| as_text()),
            Takes::Integer { .. } => text.parse().map(ParamValue::Integer).unwrap_or_else(|_| as_text()),
            Takes::Boolean => text.parse().map(ParamValue::Boolean).unwrap_or_else(|_| as_text()),
            Takes::Text { .. } | Takes::Choice(_) => as_text(),
        };
        if self.takes(&value) { Ok(value) } else { Err(self.refusal(text, &value)) }
    }

    fn takes(&self, value: &ParamValue) -> bool {
        match (self, value) {
            (Takes::Float { min, max }, ParamValue::Float(value)) => {
                value.is_finite()
                    && min.is_none_or(|min| *value >= min)
                    && max.is_none_or(|max| *value <= max)
            }
            (Takes::Integer { min, max }, ParamValue::Integer(value)) => {
                min.is_none_or(|min| *value >= min) && max.is_none_or(|max| *value <= max)
            }
            (Takes::Text { max_length }, ParamValue::Text(value)) => {
                value.chars().count() <= *max_length as usize
            }
            (Takes::Choice(choices), ParamValue::Text(value)) => choices.contains(value),
            (Takes::Boolean, ParamValue::Boolean(_)) => true,
            _ => false,
        }
    }

    fn refusal(&self, shown: &str, value: &ParamValue) -> String {
        // `"5"` for a number looks right without its quotes.
        let kind = if matches!(value, ParamValue::Text(_)) { "the text " } else { "" };
        format!("{kind}{}; it takes {}", quoted(shown), self.in_words())
    }

    fn in_words(&self) -> String {
        fn range<T: ToString>(what: &str, min: Option<&T>, max: Option<&T>) -> String {
            match (min.map(T::to_string), max.map(T::to_string)) {
                (Some(min), Some(max)) => format!("{what} from {min} to {max}"),
                (Some(min), None) => format!("{what} of at least {min}"),
                (None, Some(max)) => format!("{what} of at most {max}"),
                (None, None) => what.to_owned(),
            }
        }
        match self {
            Takes::Float { min, max } => range("a number", min.as_ref(), max.as_ref()),
            Takes::Integer { min, max } => range("a whole number", min.as_ref(), max.as_ref()),
            Takes::Text { max_length } => format!("text of at most {max_length} characters"),
            Takes::Choice(choices) => list(choices.iter().map(String::as_str), "or"),
            Takes::Boolean => "`true` or `false`".to_owned(),
        }
    }
}

fn as_f64(number: &Number) -> f64 {
    match number {
        Number::Integer(value) => *value as f64,
        Number::Float(value) => *value,
    }
}

fn in_words(kind: ParamType) -> &'static str {
    match kind {
        ParamType::Float => "a float",
        ParamType::Integer => "an integer",
        ParamType::Text => "text",
        ParamType::Boolean => "a boolean",
    }
}
