//! `transom run`: the main job.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::base::{Clock, Error, Result, Shutdown};
use crate::manifest::{App, Events, Overrides};
use crate::pipeline::{self, Options, Progress, Surroundings};
use crate::sink::{JsonLines, View};

use super::build::build_stale;
use super::signals::stop_on_signal;
use super::terminal::Terminal;

/// Runs an app in the foreground; nothing is stored.
#[derive(clap::Args)]
pub(super) struct Run {
    /// The app: a folder with an app.toml, or that file
    #[arg(value_name = "APP")]
    app: PathBuf,
    /// What stands for a camera of the app: rtsp://… or a file; the same name twice: several streams
    #[arg(long, value_name = "NAME=SOURCE", value_parser = pair)]
    camera: Vec<(String, String)>,
    /// A param's value
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// Another model in place of one of the app's: a folder with a model.toml
    #[arg(long, value_name = "NAME=DIR", value_parser = pair)]
    model: Vec<(String, String)>,
    /// The owner's manifest, instead of the deploy.toml beside the app.toml
    #[arg(long, value_name = "FILE")]
    deploy: Option<PathBuf>,
    /// Start recordings again where they end
    #[arg(long = "loop")]
    looped: bool,
    /// Play recordings at their own pace
    #[arg(long)]
    realtime: bool,
    /// End each stream after so many frames given to plugins
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,
    /// Where events go, as JSON Lines; `-` is standard output, and the default
    #[arg(long, value_name = "FILE|-")]
    events: Option<String>,
    /// Write the numbers of the run to a file, as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Serve the live page: a port on this machine, or ADDRESS:PORT to open it to a network
    #[arg(long, value_name = "ADDR", value_parser = view_addr)]
    view: Option<SocketAddr>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a name, `=`, and what it is to be".to_owned()),
    }
}

fn view_addr(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    text.replace("localhost", "127.0.0.1")
        .parse()
        .map_err(|_| "it is PORT or ADDRESS:PORT, such as 8088".to_owned())
}

impl Run {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let app = App::load(
            &self.app,
            self.deploy.as_deref(),
            &Overrides {
                cameras: self.camera,
                params: self.param,
                models: self.model.into_iter().map(|(name, dir)| (name, dir.into())).collect(),
                events: self.events,
            },
        )?;
        let to = app.events.clone().unwrap_or(Events::Stdout);
        let terminal = Terminal::new(to == Events::Stdout);
        let notices = terminal.notices();
        build_stale(&app, &notices)?;

        let clock = Clock::system();
        let shutdown = Shutdown::default();
        stop_on_signal(&shutdown)?;
        refuse_inputs_as_outputs(&app, &to, self.summary.as_deref())?;
        // Before the run: hours of work are not to end with a place nobody can write to.
        let report = self.summary.as_deref().map(SummaryFile::create).transpose()?;
        let view = self.view.map(View::start).transpose()?.map(Arc::new);
        let events = Arc::new(match &to {
            Events::Stdout => JsonLines::stdout(),
            Events::File(path) => JsonLines::file(path)?,
        });
        let options = Options { looped: self.looped, realtime: self.realtime, frames: self.frames };
        let surroundings = Surroundings {
            clock,
            shutdown: shutdown.clone(),
            notices: notices.clone(),
            events,
            view: view.clone(),
        };
        let run = match pipeline::Run::prepare(&app, options, surroundings) {
            Err(_) if shutdown.is_stopped() => {
                terminal.line("stopped before the run began");
                return Ok(ExitCode::SUCCESS);
            }
            run => run?,
        };
        let progress = run.progress();
        if let Some(view) = &view {
            let shown = progress.clone();
            view.show(&format!("{} {}", app.title, app.version), move || numbers(&shown));
            notices.info(format!("the live page is at http://{}/", view.addr()));
        }

        let done = Shutdown::default();
        let summary = std::thread::scope(|scope| {
            let follow = scope.spawn(|| terminal.follow(&progress, clock, &done));
            let summary = run.run();
            done.stop();
            // It only draws; the run's numbers matter more than its end.
            let _ = follow.join();
            summary
        });
        terminal.line(&summary.to_string());
        if let Some(report) = report {
            report.write(&summary)?;
        }
        Ok(summary.failed.map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind.exit_code())))
    }
}

fn numbers(progress: &Progress) -> Vec<(String, String)> {
    let frames = progress.frames();
    let own = progress.metrics().into_iter();
    let own =
        own.map(|(plugin, name, value)| (format!("{plugin}: {}", name.replace('_', " ")), value.to_string()));
    let mut rows: Vec<(String, String)> = own.collect();
    rows.extend([
        ("frames received".to_owned(), frames.received.to_string()),
        ("frames decoded".to_owned(), frames.decoded.to_string()),
        ("frames analysed".to_owned(), frames.analysed.to_string()),
        ("events".to_owned(), progress.events().to_string()),
    ]);
    for (reason, count) in &frames.dropped {
        rows.push((reason.replace('_', " "), count.to_string()));
    }
    for stream in progress.streams() {
        let rate = format!("{:.1} ms", stream.decoder.time.p50_us / 1000.0);
        rows.push((format!("decode {} (median)", stream.camera), rate));
        if stream.stream.live {
            let state = if stream.health.connected { "connected" } else { "away" };
            rows.push((format!("camera {}", stream.camera), state.to_owned()));
        }
    }
    rows
}

/// A slip of the keyboard is not to cost somebody's recording or manifest.
fn refuse_inputs_as_outputs(app: &App, events: &Events, summary: Option<&Path>) -> Result<()> {
    let sources =
        app.cameras.iter().flat_map(|camera| &camera.sources).map(|source| PathBuf::from(&source.location));
    let components = app.plugins.iter().map(|plugin| plugin.component.clone());
    let inputs: Vec<PathBuf> = sources
        .chain(components)
        .chain([app.file.clone()])
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let events = match events {
        Events::File(path) => Some(path.as_path()),
        Events::Stdout => None,
    };
    let outputs = [("--events", events), ("--summary", summary)];
    let mut taken: Option<PathBuf> = None;
    for (option, path) in outputs {
        let Some(path) = path else { continue };
        let Ok(real) = path.canonicalize() else { continue };
        if inputs.contains(&real) {
            let shown = path.display();
            return Err(Error::usage(format!(
                "{option} `{shown}`: the run reads this file; name another to write"
            )));
        }
        if real.is_file() && taken.as_ref() == Some(&real) {
            let shown = path.display();
            return Err(Error::usage(format!("{option} `{shown}`: events go to this file; name another")));
        }
        taken = Some(real);
    }
    Ok(())
}

/// Where the summary goes, open since before the run.
struct SummaryFile<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> SummaryFile<'a> {
    fn create(path: &'a Path) -> Result<Self> {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        Ok(Self { path, file: file.map_err(|error| Self::failed(path, &error))? })
    }

    fn write(mut self, summary: &pipeline::Summary) -> Result<()> {
        let mut json = serde_json::to_string_pretty(summary)
            .map_err(|error| Error::internal(format!("the summary is no JSON: {error}")))?;
        json.push('\n');
        let is_file = self.file.metadata().is_ok_and(|data| data.is_file());
        let emptied = if is_file { self.file.set_len(0) } else { Ok(()) };
        emptied
            .and_then(|()| self.file.write_all(json.as_bytes()))
            .map_err(|error| Self::failed(self.path, &error))
    }

    fn failed(path: &Path, error: &std::io::Error) -> Error {
        Error::sink(format!(
            "the summary cannot be written to `{}`: {error}; name another place with `--summary`",
            path.display()
        ))
    }
}
