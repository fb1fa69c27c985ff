//! `transom model …`: what can run a model, and what it answers.

mod check;
mod detect;
mod infer;
mod init;
mod npy;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::base::{Error, Result};
use crate::model::Loading;

use super::place::{state_folder, this_program};
use super::terminal::Terminal;

/// Models: what can run one, and what it answers.
#[derive(clap::Args)]
pub(super) struct Models {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what can run a model, whether it is right there, and how fast
    Check(check::Check),
    /// Run a model on a picture or a recording, and say what it finds
    Detect(detect::Detect),
    /// Run an ONNX file on tensors from .npy files
    Infer(infer::Infer),
    /// Write a first model.toml for an ONNX file
    Init(init::Init),
}

impl Models {
    pub(super) fn execute(self) -> Result<ExitCode> {
        match self.command {
            Command::Check(command) => command.execute(),
            Command::Detect(command) => command.execute(),
            Command::Infer(command) => command.execute(),
            Command::Init(command) => command.execute(),
        }
    }
}

/// What runs a model.
#[derive(clap::Args)]
struct On {
    /// Only this back end: rten, onnxruntime or wonnx, or one of its devices as `model check` writes it
    #[arg(long, value_name = "BACKEND")]
    backend: Option<String>,
    /// Threads of one inference on the processor
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// The library of onnxruntime, or the folder it is in [default: $TRANSOM_ONNXRUNTIME, else an installed
    /// Python package, else the system's]
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
}

impl On {
    fn loading(self) -> Result<Loading> {
        Ok(Loading {
            only: self.backend,
            threads: usize::from(self.threads),
            onnxruntime: self.onnxruntime,
            program: Some(this_program()?),
            verdicts: state_folder().map(|state| state.join("models")),
            notices: Terminal::new(true).notices(),
            ..Loading::default()
        })
    }
}

/// Prints to standard output; a reader who has seen enough is no error.
fn print(text: &str) -> Result<()> {
    use std::io::Write as _;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::sink(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
