//! What every room may use: errors, time, stopping, meters. Knows nothing of video or plugins.

mod clock;
mod error;
mod meter;
mod notice;
mod shutdown;
mod simd;

pub use clock::{Clock, thread_cpu};
pub use error::{Error, Kind, Result};
pub use meter::{Meter, MeterReport};
pub use notice::{Notice, Notices};
pub use shutdown::Shutdown;
pub use simd::widest;
