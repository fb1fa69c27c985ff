//! One file a command. Machine output goes to standard output, words to standard error; the exit code is
//! the error's kind (`host/docs/cli.md`).

mod build;
mod probe;
mod run;
mod schema;
mod signals;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::base::Result;

/// A self-hosted runtime for edge video analytics: native cameras, decoding and models; sandboxed
/// WebAssembly plugins.
#[derive(Parser)]
#[command(name = "transom", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an app in the foreground: video in, its plugins' events out
    Run(run::Run),
    /// Say what a camera or recording really sends
    Probe(probe::Probe),
    /// Print the JSON Schema of a manifest
    Schema(schema::Schema),
}

/// Runs the command the arguments ask for.
pub fn main() -> ExitCode {
    // Usage errors leave through clap, with exit code 2, and help with 0.
    let cli = Cli::parse();
    let result: Result<ExitCode> = match cli.command {
        Command::Run(command) => command.execute(),
        Command::Probe(command) => command.execute(),
        Command::Schema(command) => command.execute(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            for line in error.message().lines() {
                terminal::say(&format!("error: {line}"));
            }
            ExitCode::from(error.kind().exit_code())
        }
    }
}
