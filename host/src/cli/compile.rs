//! `transom compile`: the other side of the compiler's process; not for typing.

use std::process::ExitCode;

use crate::base::Result;
use crate::plugin::compile_apart;

#[derive(clap::Args)]
pub(super) struct Compile {}

impl Compile {
    #[allow(clippy::needless_pass_by_value, clippy::unused_self, reason = "as the other commands")]
    pub(super) fn execute(self) -> Result<ExitCode> {
        compile_apart()?;
        Ok(ExitCode::SUCCESS)
    }
}
