//! What every room may use: errors, secrets, time, stopping, meters. Knows nothing of video or plugins.

mod clock;
mod error;
mod meter;
mod notice;
mod secret;
mod shutdown;
mod simd;

pub use clock::{Clock, process_cpu, thread_cpu};
pub use error::{Error, Kind, Result};
pub use meter::{Meter, MeterReport};
pub use notice::{Notice, Notices};
pub use secret::Secret;
pub use shutdown::Shutdown;
pub use simd::widest;
