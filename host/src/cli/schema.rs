//! `transom schema`: the JSON Schema of a manifest, for editors.

use std::io::Write;
use std::process::ExitCode;

use crate::base::{Error, Result};
use crate::manifest;

/// Prints the JSON Schema of `app.toml` or `deploy.toml`.
#[derive(clap::Args)]
pub(super) struct Schema {
    /// Which manifest
    #[arg(value_enum)]
    of: Manifest,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Manifest {
    App,
    Deploy,
}

impl Schema {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let schema = match self.of {
            Manifest::App => manifest::app_schema(),
            Manifest::Deploy => manifest::deploy_schema(),
        };
        let out = writeln!(std::io::stdout(), "{}", schema.trim_end());
        out.map_err(|error| Error::sink(format!("standard output: {error}")))?;
        Ok(ExitCode::SUCCESS)
    }
}
