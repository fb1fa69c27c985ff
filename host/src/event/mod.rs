//! What a plugin said: events for the app's sinks and marks for the output video, stamped by the host.

mod mark;

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

pub use mark::{Color, Mark, Point};

use crate::frame::Region;

/// One event, as it leaves.
///
/// As JSON: `time` (RFC 3339, UTC, microseconds), `media_time_us`, `app`, `plugin`, `camera`, `frame`,
/// `name`, `data`, `detections`. `media_time_us`, `camera` and `frame` are null for an event that belongs to
/// no frame.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// When the frame was captured, or the event published where it belongs to no frame: microseconds since
    /// 1970-01-01T00:00:00Z.
    #[serde(rename = "time", serialize_with = "rfc3339")]
    pub time_us: i64,
    /// Presentation time of the frame, microseconds since the stream's first picture.
    pub media_time_us: Option<i64>,
    /// The app.
    #[serde(serialize_with = "text")]
    pub app: Arc<str>,
    /// The plugin in the app.
    #[serde(serialize_with = "text")]
    pub plugin: Arc<str>,
    /// The camera, with `#N` behind it for its N-th further stream.
    #[serde(serialize_with = "text_if_any")]
    pub camera: Option<Arc<str>>,
    /// The frame's number in its stream.
    pub frame: Option<u64>,
    /// What happened.
    pub name: String,
    /// Facts: a JSON object on one line.
    pub data: Box<RawValue>,
    /// The things it is about.
    pub detections: Vec<Object>,
}

/// A thing an event is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// What it is.
    pub label: String,
    /// Confidence, 0 ..= 1.
    pub score: f32,
    /// Where, in fractions of the frame.
    pub region: Region,
    /// The number under which the plugin follows it.
    pub track: Option<u32>,
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("label", &self.label)?;
        map.serialize_entry("score", &self.score)?;
        map.serialize_entry("box", &self.region)?;
        if let Some(track) = self.track {
            map.serialize_entry("track", &track)?;
        }
        map.end()
    }
}

impl Event {
    /// Appends the event as one line of JSON, line break included.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail, and no map key or number here is one JSON lacks.
        serde_json::to_writer(&mut *out, self).expect("an event is always JSON");
        out.push(b'\n');
    }
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn text_if_any<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

fn rfc3339<S: Serializer>(time_us: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    let since_epoch = std::time::Duration::from_micros(u64::try_from(*time_us).unwrap_or(0));
    serializer.collect_str(&humantime::format_rfc3339_micros(std::time::UNIX_EPOCH + since_epoch))
}

/// Checks that `text` is a JSON object and puts it on one line; an empty text is the empty object.
///
/// # Errors
/// What is wrong with it, for the plugin's author.
pub fn object_on_one_line(text: String) -> Result<Box<RawValue>, String> {
    let text = if text.trim().is_empty() { "{}".to_owned() } else { text };
    // Outside strings a line break is white space, and inside them JSON does not allow one.
    let text = if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text };
    if is_too_deep(&text) {
        return Err(format!("it is nested deeper than {DEEPEST}"));
    }
    let value = RawValue::from_string(text).map_err(|error| error.to_string())?;
    if !value.get().starts_with('{') {
        return Err("it is JSON, but no object".to_owned());
    }
    Ok(value)
}

/// The deepest an event's data may nest: what readers that call themselves for each level stand (serde_json's own
/// limit is 128).
const DEEPEST: usize = 64;

fn is_too_deep(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_nests_as_deep_as_readers_stand() {
        let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert!(object_on_one_line(nested(DEEPEST)).is_ok());
        assert_eq!(object_on_one_line(nested(DEEPEST + 1)).unwrap_err(), "it is nested deeper than 64");
        let braces = format!("{{\"a\":\"\\\"{}\"}}", "{[".repeat(100));
        assert!(object_on_one_line(braces).is_ok(), "braces in a text are none");
    }

    #[test]
    fn an_event_is_one_line_of_json() {
        let event = Event {
            time_us: 1_700_000_000_123_456,
            media_time_us: Some(40_000),
            app: "app".into(),
            plugin: "plugin".into(),
            camera: Some("door".into()),
            frame: Some(1),
            name: "seen".to_owned(),
            data: object_on_one_line("{\"a\":\n1}".to_owned()).unwrap(),
            detections: vec![Object {
                label: "person".to_owned(),
                score: 0.5,
                region: Region { l: 0.25, t: 0.5, w: 0.125, h: 0.25 },
                track: Some(7),
            }],
        };
        let mut line = Vec::new();
        event.write_line(&mut line);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"media_time_us\":40000,\"app\":\"app\",\
             \"plugin\":\"plugin\",\"camera\":\"door\",\"frame\":1,\"name\":\"seen\",\"data\":{\"a\": 1},\
             \"detections\":[{\"label\":\"person\",\"score\":0.5,\"box\":{\"l\":0.25,\"t\":0.5,\"w\":0.125,\
             \"h\":0.25},\"track\":7}]}\n"
        );
    }

    #[test]
    fn data_that_is_no_object_is_refused() {
        for bad in ["[1]", "7", "{", "{\"a\":1} x", "{'a':1}", "\"text\""] {
            assert!(object_on_one_line(bad.to_owned()).is_err(), "{bad}");
        }
        assert_eq!(object_on_one_line(String::new()).unwrap().get(), "{}");
    }
}
