//! What apps ask for and were not granted: shown, asked about, or refused before anything starts.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal};

use crate::base::{Error, Result};
use crate::manifest::{App, Missing};
use crate::plugin::ports::Ports;

use super::terminal::say;

/// Sees to it that everything the apps ask for is granted: by their `deploy.toml`, because `all` was said, or
/// by the owner's yes at the terminal.
///
/// # Errors
/// [`Kind::Manifest`](crate::base::Kind::Manifest) where something is not granted and nobody could be asked.
pub(super) fn settle(apps: &mut [App], all: bool) -> Result<()> {
    let missing: Vec<(usize, Missing)> = apps
        .iter()
        .enumerate()
        .flat_map(|(index, app)| app.missing_grants().into_iter().map(move |missing| (index, missing)))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let can_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !all && (!can_ask || !is_wanted(apps, &missing)) {
        return Err(refused(apps, &missing));
    }
    let ports_of = |app: &App| {
        let granted = app.plugins.iter().flat_map(|plugin| &plugin.grants.ports);
        granted.map(|port| port.host_port).collect::<Vec<_>>()
    };
    let mut given: Vec<u16> = apps.iter().flat_map(ports_of).collect();
    for app in apps.iter_mut() {
        let ports = Ports::new(app.port_range.clone());
        app.grant_all(&mut || {
            let free = ports.first_free(&given)?;
            given.push(free);
            Some(free)
        })?;
    }
    Ok(())
}

fn is_wanted(apps: &[App], missing: &[(usize, Missing)]) -> bool {
    say("this has not been granted yet:");
    for (index, missing) in missing {
        say(&format!("  plugin `{}` of `{}` wants to {}", missing.plugin, apps[*index].name, missing.words));
    }
    say("grant all of it for this run? [y/N]");
    let mut answer = String::new();
    // A terminal that is gone says no.
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn refused(apps: &[App], missing: &[(usize, Missing)]) -> Error {
    let mut words = String::new();
    for (index, missing) in missing {
        let app = &apps[*index].name;
        let _ = writeln!(
            words,
            "app `{app}`: plugin `{}` wants to {}, which is not granted",
            missing.plugin, missing.words
        );
    }
    for app in apps.iter().filter(|app| !app.missing_grants().is_empty()) {
        let beside = app.folder.join("deploy.toml");
        let _ =
            writeln!(words, "to grant it, put into `{}` (or `--grant all` for this run):", beside.display());
        for line in app.grants_toml().lines() {
            let _ = writeln!(words, "  {line}");
        }
    }
    Error::manifest(words.trim_end())
}
