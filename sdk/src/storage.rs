//! Keys and values that outlive the plugin: a fault, a restart, an upgrade. Asked for with
//! `permissions = { storage = "1MiB" }` in `app.toml`.

pub use crate::bindings::transom::app::storage::{StorageError, delete, get, list, put};
