//! Where things leave: events as JSON Lines, and the live page with the annotated picture.
//! Knows nothing of plugins or cameras; it is handed events, frames and marks.

mod draw;
mod json_lines;
mod view;

pub use json_lines::JsonLines;
pub use view::View;
