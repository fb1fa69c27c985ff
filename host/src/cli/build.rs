//! Builds a plugin whose sources are newer than its component. A vendor's convenience: whoever runs a manifest
//! with a `build` runs that command, as whoever runs a Makefile does.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::base::{Error, Notices, Result};
use crate::manifest::{App, Build};

/// Folders that hold what a build makes, not what it is made of.
const NOT_SOURCES: [&str; 3] = ["target", "node_modules", ".git"];

/// Builds every plugin of `app` that needs it.
///
/// # Errors
/// [`Kind::Plugin`](crate::base::Kind::Plugin) where a build fails or leaves no component.
pub(super) fn build_stale(app: &App, notices: &Notices) -> Result<()> {
    for plugin in &app.plugins {
        let Some(build) = &plugin.build else { continue };
        if is_fresh(&plugin.component, build) {
            continue;
        }
        notices.info(format!("building plugin `{}`: {}", plugin.name, build.command));
        run(build).map_err(|error| error.within(format!("plugin `{}`", plugin.name)))?;
        if !plugin.component.exists() {
            return Err(Error::plugin(format!(
                "plugin `{}`: its build went well but left no `{}`; does `component` name what the build makes?",
                plugin.name,
                plugin.component.display()
            )));
        }
        touch(&plugin.component);
    }
    Ok(())
}

/// A build tool that finds nothing to do leaves the old date, and each run would ask it again. Where the date
/// cannot be set, it is asked again, and that is all.
fn touch(component: &Path) {
    if let Ok(file) = std::fs::File::options().append(true).open(component) {
        let _ = file.set_modified(SystemTime::now());
    }
}

fn run(build: &Build) -> Result<()> {
    if !build.folder.is_dir() {
        let folder = build.folder.display();
        return Err(Error::plugin(format!("the folder `{folder}` its build is to run in is not there")));
    }
    let status = Command::new("sh")
        .args(["-c", &build.command])
        .current_dir(&build.folder)
        .stdin(Stdio::null())
        // Standard output is for events; a build's words are words.
        .stdout(std::io::stderr())
        .status()
        .map_err(|error| {
            Error::plugin(format!("`{}` cannot be run in {}: {error}", build.command, build.folder.display()))
        })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::plugin(format!("`{}` failed ({status}) in {}", build.command, build.folder.display())))
}

fn is_fresh(component: &Path, build: &Build) -> bool {
    let Some(built) = modified(component) else { return false };
    build.sources.iter().filter_map(|source| newest(source)).all(|changed| changed <= built)
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// When the newest file under `path` was changed.
fn newest(path: &Path) -> Option<SystemTime> {
    let mut newest = None;
    let mut left: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        let Ok(data) = std::fs::symlink_metadata(&path) else { continue };
        if data.is_dir() {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            if NOT_SOURCES.contains(&name) {
                continue;
            }
            left.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else {
            newest = newest.max(modified(&path));
        }
    }
    newest
}
