//! Mistakes of a call to the host, in words, so that `?` serves in a function that returns a message for
//! the owner.

use crate::http::HttpError;
use crate::storage::StorageError;
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

impl From<StorageError> for String {
    fn from(error: StorageError) -> String {
        match error {
            StorageError::BadArgument(what) => format!("bad key or value: {what}"),
            StorageError::Quota(what) => format!("no room in storage: {what}"),
            StorageError::Busy => "too many changes of storage for now".to_owned(),
            StorageError::Failed(what) => format!("storage failed: {what}"),
        }
    }
}

impl From<HttpError> for String {
    fn from(error: HttpError) -> String {
        match error {
            HttpError::BadRequest(what) => format!("bad request: {what}"),
            HttpError::Denied(what) => format!("not granted: {what}"),
            HttpError::TooLarge(what) => format!("too large: {what}"),
            HttpError::Busy => "too many requests for now".to_owned(),
            HttpError::TimedOut => "no whole answer in time".to_owned(),
            HttpError::Failed(what) => format!("the request failed: {what}"),
        }
    }
}
