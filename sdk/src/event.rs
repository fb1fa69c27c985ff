//! Saying what happened.

use std::fmt::Write;

use crate::bindings::transom::app::events;
use crate::{Detection, EventError, Model};

/// An event under construction: a name, facts in the order given, and the things it is about.
///
/// ```no_run
/// # use transom_sdk::Event;
/// # fn f() -> Result<(), String> {
/// Event::new("line-crossed").text("direction", "in").number("in", 3).publish()?;
/// # Ok(())
/// # }
/// ```
///
/// The host stamps it with time, app, plugin, camera and frame. A key given twice is written twice, and
/// the host takes the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    name: &'a str,
    /// The text of a JSON object without its last brace; empty while there is no fact.
    data: String,
    detections: Vec<events::Object<'a>>,
}

impl<'a> Event<'a> {
    /// Starts an event. A name is 1 ..= 64 of a-z, 0-9, `-`, `_` and `.`; anything else is refused when
    /// it is published.
    pub fn new(name: &'a str) -> Event<'a> {
        Event { name, data: String::new(), detections: Vec::new() }
    }

    /// A number; `null` where it is not finite, for which JSON has no word.
    pub fn number(mut self, key: &str, value: impl Into<f64>) -> Self {
        let value = value.into();
        self.key(key);
        if value.is_finite() {
            write!(self.data, "{value}").expect("a String takes all text");
        } else {
            self.data.push_str("null");
        }
        self
    }

    /// A whole number too large for an `f64` to hold exactly.
    pub fn integer(mut self, key: &str, value: i64) -> Self {
        self.key(key);
        write!(self.data, "{value}").expect("a String takes all text");
        self
    }

    /// A text.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        push_json_string(&mut self.data, value);
        self
    }

    /// A truth value.
    pub fn boolean(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.data.push_str(if value { "true" } else { "false" });
        self
    }

    /// A value that is JSON already, such as a list. The host refuses the event where it is not.
    pub fn json(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        self.data.push_str(value);
        self
    }

    /// Adds one thing the event is about, under the number by which the plugin follows it, if it does.
    pub fn detection(mut self, label: &'a str, found: &Detection, track: Option<u32>) -> Self {
        self.detections.push(events::Object { label, score: found.score, box_: found.region, track });
        self
    }

    /// Adds all that a model found.
    pub fn detections(mut self, model: &'a Model, found: &[Detection]) -> Self {
        self.detections.extend(found.iter().map(|d| events::Object {
            label: model.label(d.label),
            score: d.score,
            box_: d.region,
            track: None,
        }));
        self
    }

    /// Delivers it to the app's sinks, in the order published.
    pub fn publish(mut self) -> Result<(), EventError> {
        if !self.data.is_empty() {
            self.data.push('}');
        }
        events::publish(events::Event { name: self.name, data: &self.data, detections: &self.detections })
    }

    fn key(&mut self, key: &str) {
        self.data.push(if self.data.is_empty() { '{' } else { ',' });
        push_json_string(&mut self.data, key);
        self.data.push(':');
    }
}

/// RFC 8259 section 7: the quotation mark, the reverse solidus and U+0000 ..= U+001F must be escaped,
/// everything else may stand as it is.
fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes all text"),
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(event: &Event<'_>) -> serde_json::Value {
        serde_json::from_str(&format!("{}}}", event.data)).unwrap()
    }

    #[test]
    fn every_text_comes_back_from_a_json_parser_as_it_was() {
        let all: String = ('\0'..='\u{2ff}').chain("\u{2028}\u{fffd}\u{1f6b6}".chars()).collect();
        let event = Event::new("e").text(&all, &all);
        assert_eq!(parsed(&event)[&all], all.as_str());
    }

    #[test]
    fn facts_are_one_json_object_in_the_order_given() {
        let event = Event::new("e")
            .number("total", 3)
            .number("mean", 0.1)
            .number("none", f64::NAN)
            .integer("large", i64::MAX)
            .boolean("open", true)
            .json("list", "[1,2]");
        let text = format!("{}}}", event.data);
        let wanted = concat!(
            r#"{"total":3,"mean":0.1,"none":null,"large":9223372036854775807,"#,
            r#""open":true,"list":[1,2]}"#
        );
        assert_eq!(text, wanted);
        assert!(parsed(&event).is_object());
        assert!(parsed(&Event::new("e").number("far", 1e300).number("near", 1e-300)).is_object());
    }
}
