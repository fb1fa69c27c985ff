//! One file a command. Machine output goes to standard output, words to standard error; the exit code is
//! the error's kind (`host/docs/cli.md`).

mod apps;
mod build;
mod compile;
mod grants;
mod inspect;
mod model;
mod place;
mod probe;
mod prove;
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
    /// Run apps in the foreground: video in, their plugins' events out
    Run(run::Run),
    /// Say what a plugin wants and may do: the permission sheet of an app or a component
    Inspect(inspect::Inspect),
    /// Prove on this machine that hostile plugins are stopped, and what that costs a good one
    Prove(prove::Prove),
    /// Say what a camera or recording really sends
    Probe(probe::Probe),
    /// Say what can run a model, and what it answers
    Model(model::Models),
    /// Print the JSON Schema of a manifest
    Schema(schema::Schema),
    /// Compile a component from standard input to standard output, within limits; what `run` starts for it
    #[command(hide = true)]
    Compile(compile::Compile),
    /// Run one graph on a graphics card, asked through standard input; what `run` starts for it
    #[command(hide = true)]
    GpuWorker,
    /// Judge or run a model within limits, asked through standard input; what `run` starts for it
    #[command(hide = true)]
    ModelWorker,
}

/// Runs the command the arguments ask for.
pub fn main() -> ExitCode {
    // Usage errors leave through clap, with exit code 2, and help with 0.
    let cli = Cli::parse();
    let result: Result<ExitCode> = match cli.command {
        Command::Run(command) => command.execute(),
        Command::Probe(command) => command.execute(),
        Command::Prove(command) => command.execute(),
        Command::Schema(command) => command.execute(),
        Command::Inspect(command) => command.execute(),
        Command::Compile(command) => command.execute(),
        Command::Model(command) => command.execute(),
        Command::ModelWorker => crate::model::model_worker().map(|()| ExitCode::SUCCESS),
        Command::GpuWorker => crate::model::gpu_worker().map(|()| ExitCode::SUCCESS),
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
