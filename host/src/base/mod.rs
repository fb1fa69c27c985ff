//! What every room may use: errors, secrets, time, stopping, meters. Knows nothing of video or plugins.

mod clock;
mod error;
mod file;
mod memory;
mod meter;
mod notice;
mod panic;
mod rate;
mod secret;
mod shutdown;
mod simd;

pub use clock::{Clock, process_cpu, thread_cpu};
pub use error::{Error, Kind, Result};
pub use file::{read_file, read_text};
pub use memory::{free_memory, memory_of, process_memory, watch_memory};
pub use meter::{Meter, MeterReport};
pub use notice::{Notice, Notices, deceives};
pub use panic::panic_message;
pub use rate::Rate;
pub use secret::Secret;
pub use shutdown::Shutdown;
pub use simd::widest;
