//! Where things leave: events as JSON Lines, the live page with the annotated picture, annotated recordings.
//! Knows nothing of plugins or cameras; it is handed events, frames and marks.

mod draw;
mod json_lines;
mod picture;
mod recording;
mod view;

pub use draw::{Painted, painted};
pub use json_lines::JsonLines;
pub use picture::save_png;
pub use recording::Recording;
pub use view::View;
