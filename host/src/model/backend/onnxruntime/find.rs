//! Where a library of onnxruntime lies on this machine.
//!
//! What the owner names (an environment variable, the configuration) is taken or refused, never passed
//! over. What nobody named is looked for: in Python environments, then where systems keep libraries. A
//! Python is only run, to ask where it keeps packages, where the usual places have none: isolated from
//! its environment variables and the working directory, and not for longer than [`PATIENCE`].

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Names a library, or a folder that has one.
pub(super) const VARIABLE: &str = "TRANSOM_ONNXRUNTIME";
/// The same for other programs that load onnxruntime as this one does.
const OTHER_VARIABLE: &str = "ORT_DYLIB_PATH";
/// How long a Python may take to say where its packages are.
const PATIENCE: Duration = Duration::from_secs(3);
/// What a Python may say, at most.
const MOST_SAID: u64 = 64 * 1024;

/// A file that may be the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// How it was come by, for people: "named by TRANSOM_ONNXRUNTIME".
    pub(super) from: String,
    /// The owner asked for this one: if it cannot be used, nothing else is.
    pub(super) named: bool,
}

/// All that was found, best first, and everywhere that was looked, for people.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    pub(super) looked: Vec<String>,
}

/// Looks for libraries. `configured`: what the owner's configuration names, a file or a folder.
pub(super) fn find(configured: Option<&Path>) -> Found {
    let mut found = Found::default();
    if let Some(path) = configured {
        if path == Path::new("none") {
            found.looked.push("nowhere: the configuration says `none`".to_owned());
        } else {
            found.named(path, "named by the configuration");
        }
        return found;
    }
    if env::var_os(VARIABLE).is_some_and(|value| value == "none") {
        found.looked.push(format!("nowhere: {VARIABLE} is `none`"));
        return found;
    }
    for variable in [VARIABLE, OTHER_VARIABLE] {
        if let Some(path) = env::var_os(variable).filter(|path| !path.is_empty()) {
            found.named(Path::new(&path), &format!("named by {variable}"));
            return found;
        }
        found.looked.push(format!("{variable} (not set)"));
    }
    let mut packages = BTreeSet::new();
    for (folder, whose) in python_homes() {
        found.python_home(&folder, &whose, &mut packages);
    }
    for folder in system_folders() {
        found.folder(&folder, "in the system's libraries");
    }
    if found.candidates.is_empty() {
        found.ask_python(&packages);
    }
    found
}

impl Found {
    fn named(&mut self, path: &Path, from: &str) {
        let shown = path.display();
        if path.is_dir() {
            self.looked.push(format!("{shown} ({from})"));
            match libraries(path).into_iter().next() {
                Some(path) => self.candidates.push(Candidate { path, from: from.to_owned(), named: true }),
                None => self.looked.push(format!("{shown} has no libonnxruntime.so in it")),
            }
        } else {
            // Also a file that is not there: loading it says so.
            self.candidates.push(Candidate { path: path.to_owned(), from: from.to_owned(), named: true });
        }
    }

    /// `…/lib/python3.*/{site,dist}-packages/onnxruntime/capi` under a prefix.
    fn python_home(&mut self, prefix: &Path, whose: &str, packages: &mut BTreeSet<PathBuf>) {
        for lib in ["lib", "lib64", "local/lib"] {
            for python in listed(&prefix.join(lib)) {
                let is_python = python
                    .file_name()
                    .and_then(OsStr::to_str)
                    .is_some_and(|name| name.starts_with("python3"));
                if !is_python {
                    continue;
                }
                for kind in ["site-packages", "dist-packages"] {
                    let folder = python.join(kind);
                    if folder.is_dir() && packages.insert(fs::canonicalize(&folder).unwrap_or(folder.clone()))
                    {
                        self.folder(&folder.join("onnxruntime/capi"), &format!("in the packages of {whose}"));
                    }
                }
            }
        }
    }

    fn folder(&mut self, folder: &Path, from: &str) {
        self.looked.push(folder.display().to_string());
        for path in libraries(folder) {
            if !self.candidates.iter().any(|known| known.path == path) {
                self.candidates.push(Candidate { path, from: from.to_owned(), named: false });
            }
        }
    }

    fn ask_python(&mut self, known: &BTreeSet<PathBuf>) {
        let Some(python) = on_path("python3") else {
            self.looked.push("python3 (not on the path)".to_owned());
            return;
        };
        for folder in said_by(&python) {
            if folder.is_dir() && !known.contains(&fs::canonicalize(&folder).unwrap_or(folder.clone())) {
                self.folder(
                    &folder.join("onnxruntime/capi"),
                    &format!("in the packages of {}", python.display()),
                );
            }
        }
    }
}

/// The libraries in a folder: `libonnxruntime.so` and `libonnxruntime.so.1.*`, newest first. Not its
/// providers (`libonnxruntime_providers_*.so`), which only the library itself can load.
pub(super) fn libraries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = Vec::new();
    for path in listed(folder) {
        let Some(name) = path.file_name().and_then(OsStr::to_str) else { continue };
        let version = match name {
            "libonnxruntime.so" | "libonnxruntime.dylib" => Some(Vec::new()),
            _ => name
                .strip_prefix("libonnxruntime.so.")
                .or_else(|| name.strip_prefix("libonnxruntime.").and_then(|rest| rest.strip_suffix(".dylib")))
                .and_then(|version| version.split('.').map(|part| part.parse().ok()).collect()),
        };
        if let Some(version) = version
            && path.is_file()
        {
            found.push((version, path));
        }
    }
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, path)| path).collect()
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Prefixes under which a Python keeps its packages, and whose they are.
fn python_homes() -> Vec<(PathBuf, String)> {
    let mut homes = Vec::new();
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        if let Some(prefix) = env::var_os(variable).map(PathBuf::from).filter(|prefix| prefix.is_absolute()) {
            homes.push((prefix, variable.to_owned()));
        }
    }
    // The prefix of a Python is the folder above its own; so an environment on the path is found without
    // being activated.
    if let Some(prefix) = on_path("python3").as_deref().and_then(Path::parent).and_then(Path::parent) {
        homes.push((prefix.to_owned(), "the Python on the path".to_owned()));
    }
    if let Some(home) = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute()) {
        homes.push((home.join(".local"), "this user".to_owned()));
    }
    homes.push((PathBuf::from("/usr/local"), "this machine".to_owned()));
    homes.push((PathBuf::from("/usr"), "this machine".to_owned()));
    // Debian's own packages are in /usr/lib/python3/dist-packages, which `python3*` above covers.
    homes
}

fn system_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        ["/opt/onnxruntime/lib", "/usr/local/lib", "/usr/lib64", "/usr/lib"].map(PathBuf::from).into();
    folders.push(PathBuf::from(format!("/usr/lib/{}-linux-gnu", env::consts::ARCH)));
    folders
}

/// A program on the path, by absolute folders only: one in the working directory is not meant.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders.find_map(|folder| Some(folder.join(program)).filter(|program| program.is_file()))
}

/// Where a Python keeps packages, by its own account; nothing where it does not say so in time.
fn said_by(python: &Path) -> Vec<PathBuf> {
    // -I: no PYTHON* variables, no working directory, no user's modules; -S is not given, for without
    // `site` the packages are not on the list. Nothing of onnxruntime is imported.
    let program = "import sys, site; print('\\n'.join(sys.path + [site.getusersitepackages()]))";
    let started = Command::new(python)
        .args(["-I", "-c", program])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else { return Vec::new() };
    let Some(output) = child.stdout.take() else { return Vec::new() };
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        output.take(MOST_SAID).read_to_string(&mut said).map(|_| said).unwrap_or_default()
    });
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                // The reader ends with the child, whose end of the pipe is closed with it.
                let _ = child.kill();
                let _ = child.wait();
                return Vec::new();
            }
        }
    }
    let said = reader.join().unwrap_or_default();
    said.lines().map(PathBuf::from).filter(|folder| folder.is_absolute()).collect()
}
