//! Words for the owner. [`error!`](crate::error!), [`warn!`](crate::warn!), [`info!`](crate::info!) and
//! [`debug!`](crate::debug!) take what `format!` takes.

pub use crate::bindings::transom::app::log::{Level, write};

/// Writes one line, like `format!`, for what the owner must act on.
#[macro_export]
macro_rules! error {
    ($($word:tt)*) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($word)*)) };
}

/// Writes one line, like `format!`, for what the owner should look at.
#[macro_export]
macro_rules! warn {
    ($($word:tt)*) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($word)*)) };
}

/// Writes one line, like `format!`, for what the owner may like to know.
#[macro_export]
macro_rules! info {
    ($($word:tt)*) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($word)*)) };
}

/// Writes one line, like `format!`, for whoever writes the plugin.
#[macro_export]
macro_rules! debug {
    ($($word:tt)*) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($word)*)) };
}
