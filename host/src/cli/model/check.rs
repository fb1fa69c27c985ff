//! `transom model check`: every back end's row.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::{Error, Result};
use crate::model;

use super::{On, print};

/// Loads a model on everything that may run it, compares the answers, times them, and prints a table. The
/// exit code is 0 where something can run it.
#[derive(clap::Args)]
pub(super) struct Check {
    /// The folder of a model.toml, that file, or an ONNX file
    #[arg(value_name = "DIR|FILE")]
    what: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// A server to try too, such as grpc://192.168.1.30:8001; its model has the name in model.toml
    #[arg(long, value_name = "URL")]
    remote: Option<String>,
    /// Try also what is never chosen by itself: graphics interfaces played by the processor
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    on: On,
}

impl Check {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let mut loading = self.on.loading()?;
        loading.thorough = self.all;
        loading.remote = self.remote.map(|url| model::Remote::new(url, ""));
        let report = model::check(&self.what, &loading)?;
        if self.json {
            let mut text = serde_json::to_string_pretty(&report)
                .map_err(|error| Error::internal(format!("the report as JSON: {error}")))?;
            text.push('\n');
            print(&text)?;
        } else {
            print(&report.text())?;
        }
        Ok(if report.chosen().is_some() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(crate::base::Kind::Model.exit_code())
        })
    }
}
