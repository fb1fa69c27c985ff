//! `transom run`: the main job.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::base::{Clock, Error, Result, Shutdown};
use crate::manifest::{App, Events, Overrides, Source};
use crate::pipeline::{self, Member, Options, Progress, Surroundings};
use crate::plugin::egress::SystemResolver;
use crate::sink::{JsonLines, View};

use super::build::build_stale;
use super::place::{apart, state_folder, this_program};
use super::signals::stop_on_signal;
use super::terminal::Terminal;
use super::{apps, grants};

/// Runs apps in the foreground; nothing is stored but what their plugins may keep.
#[derive(clap::Args)]
pub(super) struct Run {
    /// The apps: folders with an app.toml, or such files
    #[arg(value_name = "APP", required = true)]
    apps: Vec<PathBuf>,
    /// What stands for a camera: rtsp://… or a file; the same name twice: several streams. Where several apps
    /// run, APP.NAME=SOURCE is for one of them
    #[arg(long, value_name = "NAME=SOURCE", value_parser = pair)]
    camera: Vec<(String, String)>,
    /// A param's value
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// Another model in place of one of the app's: a folder with a model.toml
    #[arg(long, value_name = "NAME=DIR", value_parser = pair)]
    model: Vec<(String, String)>,
    /// The owner's manifest, instead of the deploy.toml beside the app.toml; for one app only
    #[arg(long, value_name = "FILE")]
    deploy: Option<PathBuf>,
    /// `all`: grant whatever the apps ask for, without asking; for development
    #[arg(long, value_name = "all")]
    grant: Option<GrantAll>,
    /// Where plugins' storage and compiled code are kept [default: $XDG_STATE_HOME/transom, else
    /// ~/.local/state/transom]
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
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

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum GrantAll {
    All,
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
        let overrides = Overrides {
            cameras: self.camera,
            params: self.param,
            models: self.model.into_iter().map(|(name, dir)| (name, dir.into())).collect(),
            events: self.events,
            to_look_at: false,
        };
        let mut apps = apps::load(&self.apps, self.deploy.as_deref(), &overrides)?;
        grants::settle(&mut apps, self.grant.is_some())?;
        let to: Vec<Events> = apps.iter().map(|app| app.events.clone().unwrap_or(Events::Stdout)).collect();
        let terminal = Terminal::new(to.contains(&Events::Stdout));
        let notices = terminal.notices();
        for app in &apps {
            build_stale(app, &notices)?;
        }

        let clock = Clock::system();
        let shutdown = Shutdown::default();
        stop_on_signal(&shutdown)?;
        refuse_inputs_as_outputs(&apps, &to, self.summary.as_deref())?;
        // Before the run: hours of work are not to end with a place nobody can write to.
        let report = self.summary.as_deref().map(SummaryFile::create).transpose()?;
        let view = self.view.map(View::start).transpose()?.map(Arc::new);
        let title =
            apps.iter().map(|app| format!("{} {}", app.title, app.version)).collect::<Vec<_>>().join(", ");
        let members = members(apps, &to)?;
        let options = Options {
            looped: self.looped,
            realtime: self.realtime,
            frames: self.frames,
            ..Options::default()
        };
        let state = self.state.or_else(state_folder);
        let surroundings = Surroundings {
            clock,
            shutdown: shutdown.clone(),
            notices: notices.clone(),
            view: view.clone(),
            compiler: apart(state.as_deref())?,
            program: Some(this_program()?),
            state,
            resolver: Arc::new(SystemResolver),
        };
        let run = match pipeline::Run::prepare(&members, options, surroundings) {
            Err(_) if shutdown.is_stopped() => {
                terminal.line("stopped before the run began");
                return Ok(ExitCode::SUCCESS);
            }
            run => run?,
        };
        let progress = run.progress();
        if let Some(view) = &view {
            let shown = progress.clone();
            view.show(&title, move || numbers(&shown));
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

/// Each app with its sink; apps whose events go to one place share it.
fn members(apps: Vec<App>, to: &[Events]) -> Result<Vec<Member>> {
    let mut sinks: Vec<(&Events, Arc<JsonLines>)> = Vec::new();
    let mut members = Vec::new();
    for (app, to) in apps.into_iter().zip(to) {
        let open = sinks.iter().find(|(other, _)| *other == to).map(|(_, sink)| Arc::clone(sink));
        let events = match (open, to) {
            (Some(sink), _) => sink,
            (None, Events::Stdout) => Arc::new(JsonLines::stdout()),
            (None, Events::File(path)) => Arc::new(JsonLines::file(path)?),
        };
        sinks.push((to, Arc::clone(&events)));
        members.push(Member { app, events });
    }
    Ok(members)
}

/// A slip of the keyboard is not to cost somebody's recording or manifest.
fn refuse_inputs_as_outputs(apps: &[App], events: &[Events], summary: Option<&Path>) -> Result<()> {
    let sources = |app: &App| {
        let sources: Vec<&Source> = app.cameras.iter().flat_map(|camera| &camera.sources).collect();
        sources.into_iter().map(|source| PathBuf::from(&source.location)).collect::<Vec<_>>()
    };
    let inputs: Vec<PathBuf> = apps
        .iter()
        .flat_map(sources)
        .chain(apps.iter().flat_map(|app| &app.plugins).map(|plugin| plugin.component.clone()))
        .chain(apps.iter().map(|app| app.file.clone()))
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let mut files: Vec<&Path> = Vec::new();
    for to in events {
        if let Events::File(path) = to
            && !files.contains(&path.as_path())
        {
            files.push(path);
        }
    }
    let outputs =
        files.into_iter().map(|path| ("--events", path)).chain(summary.map(|path| ("--summary", path)));
    let mut taken: Option<PathBuf> = None;
    for (option, path) in outputs {
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
