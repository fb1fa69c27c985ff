//! `transom inspect`: the permission sheet, read from the manifest and from the component itself.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::base::{Error, Result, deceives};
use crate::manifest::{App, Overrides, Plugin};
use crate::plugin::{Engine, Need, Sheet};

use super::place::{apart, state_folder};

/// Prints what plugins ask for, what is granted, and what their components really import.
#[derive(clap::Args)]
pub(super) struct Inspect {
    /// An app (a folder with an app.toml, or that file), or a component (.wasm)
    #[arg(value_name = "APP|COMPONENT")]
    what: PathBuf,
}

impl Inspect {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let engine = Engine::new(apart(state_folder().as_deref())?)?;
        // What is no file is not opened: a pipe would wait for its other end.
        let is_file = std::fs::metadata(&self.what).is_ok_and(|data| data.is_file());
        let is_component = is_file
            && std::fs::File::open(&self.what).is_ok_and(|mut file| {
                let mut magic = [0; 4];
                std::io::Read::read_exact(&mut file, &mut magic).is_ok() && &magic == b"\0asm"
            });
        let sheet = if is_component || self.what.extension().is_some_and(|kind| kind == "wasm") {
            component(&engine, &self.what)?
        } else {
            app(&engine, &self.what)?
        };
        // Control characters in a vendor's words are not to steer the owner's terminal.
        let plain: String =
            sheet.chars().map(|c| if deceives(c) && c != '\n' { '\u{fffd}' } else { c }).collect();
        std::io::stdout()
            .lock()
            .write_all(plain.as_bytes())
            .map_err(|error| Error::sink(format!("standard output: {error}")))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What each import lets a plugin do.
fn in_words(need: Need) -> &'static str {
    match need {
        Need::Pixels => "read the pixels of the cameras it watches",
        Need::Jpeg => "take JPEG pictures of the cameras it watches",
        Need::Models => "ask models",
        Need::Storage => "keep values that outlive it",
        Need::Http => "send requests to hosts",
        Need::Ports => "answer requests on ports",
    }
}

fn component(engine: &Engine, path: &Path) -> Result<String> {
    let sheet = engine.inspect(path)?;
    let mut text = format!("component {}\n", path.display());
    if sheet.needs.is_empty() {
        text.push_str("  needs no grant\n");
    }
    for (need, import) in &sheet.needs {
        let _ = writeln!(text, "  needs `{}`: it can {} ({import})", need.key(), in_words(*need));
    }
    rest(&mut text, &sheet);
    Ok(text)
}

fn app(engine: &Engine, path: &Path) -> Result<String> {
    let app = App::load(path, None, &Overrides { to_look_at: true, ..Overrides::default() })?;
    let mut text = format!("{} {}: {}\n", app.name, app.version, app.title);
    let mut all = app.clone();
    all.plugins.iter_mut().for_each(|plugin| plugin.grants = crate::manifest::Grants::default());
    let (asked, missing) = (all.missing_grants(), app.missing_grants());
    for plugin in &app.plugins {
        let _ = writeln!(text, "plugin {}", plugin.name);
        let its = || asked.iter().filter(|asked| asked.plugin == plugin.name);
        if its().next().is_none() {
            text.push_str("  asks for nothing that needs a grant\n");
        }
        for asked in its() {
            let lacking = missing.iter().any(|one| one.plugin == asked.plugin && one.words == asked.words);
            let state = if lacking { "NOT GRANTED" } else { "granted" };
            let _ = writeln!(text, "  wants to {} [{state}]", asked.words);
        }
        for port in &plugin.grants.ports {
            let from: Vec<String> = port.from.iter().map(ToString::to_string).collect();
            let token = if port.token.is_some() { "with a token" } else { "without a token" };
            let _ = writeln!(
                text,
                "    port {} is {} of this machine, for {}, {token}",
                port.name,
                port.host_port,
                from.join(", ")
            );
        }
        let looser = plugin.limits.looser_than_default();
        if !looser.is_empty() {
            let _ = writeln!(text, "  asks for more than usual: {}", looser.join(", "));
        }
        if let Some(build) = &plugin.build {
            let (command, folder) = (&build.command, build.folder.display());
            let _ =
                writeln!(text, "  `run` builds it with `{command}` in {folder} where its sources are newer");
        }
        if !plugin.component.exists() {
            let shown = plugin.component.display();
            let _ = writeln!(text, "  its component `{shown}` is not there; build it to see what it imports");
            continue;
        }
        let sheet = engine
            .inspect(&plugin.component)
            .map_err(|error| error.within(format!("plugin `{}`", plugin.name)))?;
        compare(&mut text, plugin, &sheet);
        rest(&mut text, &sheet);
    }
    Ok(text)
}

/// What the component imports and the manifest does not declare, and the other way round.
fn compare(text: &mut String, plugin: &Plugin, sheet: &Sheet) {
    let asks = &plugin.permissions;
    for need in [Need::Pixels, Need::Jpeg, Need::Models, Need::Storage, Need::Http, Need::Ports] {
        let declared = match need {
            Need::Pixels => asks.pixels,
            Need::Jpeg => asks.jpeg,
            Need::Models => !asks.models.is_empty(),
            Need::Storage => asks.storage.is_some(),
            Need::Http => !asks.http.is_empty(),
            Need::Ports => !asks.ports.is_empty(),
        };
        let import = sheet.needs.iter().find(|(needed, _)| *needed == need).map(|(_, import)| import);
        match (declared, import) {
            (false, Some(import)) => {
                let _ = writeln!(
                    text,
                    "  imports `{import}` and never asks for `{}`: it will not be loaded",
                    need.key()
                );
            }
            (true, None) => {
                let _ = writeln!(text, "  asks for `{}` and its component never uses it", need.key());
            }
            _ => {}
        }
    }
}

fn rest(text: &mut String, sheet: &Sheet) {
    for (import, remedy) in &sheet.unknown {
        let _ = writeln!(
            text,
            "  imports `{import}`, which this host does not have: it will not be loaded; {remedy}"
        );
    }
    if !sheet.free.is_empty() {
        let _ = writeln!(text, "  imports freely: {}", sheet.free.join(", "));
    }
    let _ = writeln!(text, "  exports: {}", sheet.exports.join(", "));
}
