//! Mistakes of a call to the host, in words, so that `?` serves in a function that returns a message for
//! the owner.

use crate::{EventError, FrameError, ModelError};

impl From<ModelError> for String {
    fn from(error: ModelError) -> String {
        match error {
            ModelError::UnknownModel(name) => {
                format!("no model `{name}`; name it under the plugin's `models` in app.toml")
            }
            ModelError::WrongKind(what) => format!("the model answers another question: {what}"),
            ModelError::BadRegion(what) => format!("bad region: {what}"),
            ModelError::BadArgument(what) => format!("bad argument: {what}"),
            ModelError::Busy => "the host has no time for the model now".to_owned(),
            ModelError::Failed(what) => format!("the model could not be run: {what}"),
        }
    }
}

impl From<FrameError> for String {
    fn from(error: FrameError) -> String {
        match error {
            FrameError::BadRegion(what) => format!("bad region: {what}"),
            FrameError::BadShape(what) => format!("bad shape: {what}"),
        }
    }
}

impl From<EventError> for String {
    fn from(error: EventError) -> String {
        match error {
            EventError::BadName(what) => format!("bad event name: {what}"),
            EventError::BadData(what) => format!("bad event data: {what}"),
            EventError::BadDetection(what) => format!("bad detection in an event: {what}"),
            EventError::TooLarge => "the event is larger than the host takes".to_owned(),
            EventError::TooMany => "too many events for now; this one was dropped".to_owned(),
        }
    }
}
