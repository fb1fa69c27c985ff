//! The library, once a process: found, looked at before it is loaded, loaded, and asked what it is.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::find::{Candidate, VARIABLE, find};
use crate::base::panic_message;

/// The loaded library. There is one in a process, for onnxruntime keeps one environment.
pub(in crate::model) struct Library {
    pub(super) environment: Environment,
    /// `1.31.1`, with the commit it was built from where it says so.
    pub(in crate::model) version: String,
    pub(in crate::model) path: PathBuf,
    /// How it was found, for people.
    pub(in crate::model) from: String,
}

impl Library {
    /// N of release 1.N; 0 where it does not say.
    pub(super) fn minor(&self) -> u32 {
        self.version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0)
    }
}

/// The library of this process; found and loaded when first asked for, with what the owner's configuration
/// names then. The error says what was tried, or where was looked.
pub(in crate::model) fn library(configured: Option<&Path>) -> Result<&'static Library, String> {
    static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
    LIBRARY.get_or_init(|| open(configured)).as_ref().map_err(Clone::clone)
}

fn open(configured: Option<&Path>) -> Result<Library, String> {
    let found = find(configured);
    let mut refused = Vec::new();
    for candidate in &found.candidates {
        match load(candidate) {
            Ok(library) => return Ok(library),
            Err(why) => refused.push(format!("{} ({}): {why}", candidate.path.display(), candidate.from)),
        }
        if candidate.named {
            break;
        }
    }
    if refused.is_empty() {
        let looked = found.looked.join(", ");
        return Err(format!(
            "no onnxruntime was found; install it (pip install onnxruntime) or name the library in {VARIABLE}; \
             looked at: {looked}"
        ));
    }
    Err(refused.join("; "))
}

fn load(candidate: &Candidate) -> Result<Library, String> {
    let path = &candidate.path;
    looks_whole(path)?;
    // ort says most of what goes wrong in its result and panics for the rest (a library that gives no
    // interface of the version asked for).
    let environment = catch_unwind(AssertUnwindSafe(|| {
        let builder = ort::init_from(path).map_err(|error| explain(&error))?;
        let environment = builder
            .with_name("transom")
            .with_telemetry(false)
            .with_logger(Arc::new(hear))
            .build()
            .map_err(|error| format!("it does not start: {error}"))?;
        environment.set_log_level(LogLevel::Error);
        Ok(environment)
    }))
    .unwrap_or_else(|panic| Err(format!("it is no working onnxruntime: {}", panic_message(&*panic))))?;
    let info = catch_unwind(ort::info).unwrap_or_default();
    Ok(Library {
        environment,
        version: version(info, path),
        path: path.clone(),
        from: candidate.from.clone(),
    })
}

fn explain(error: &ort::LoadDynamicError) -> String {
    use ort::LoadDynamicError as Why;
    match error {
        Why::Dlopen { error, .. } => format!("it cannot be loaded: {error}"),
        Why::MissingApi { .. } => "it is a library, but not onnxruntime's".to_owned(),
        Why::InvalidVersionString => "it does not say its version".to_owned(),
        Why::BadVersion { version_str, .. } => {
            format!("it is onnxruntime {version_str}; 1.{} or newer is needed", ort::MINOR_VERSION)
        }
    }
}

/// The last thing the library complained of: where it loads a provider's library, the reason is said only
/// to the log.
static COMPLAINT: Mutex<Option<String>> = Mutex::new(None);

/// Takes what the library logs, so that nothing is printed.
fn hear(level: LogLevel, _category: &str, _id: &str, _place: &str, message: &str) {
    if level >= LogLevel::Error {
        *COMPLAINT.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
    }
}

/// The last complaint since this was last asked.
pub(super) fn complaint() -> Option<String> {
    COMPLAINT.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// From "ORT Build Info: git-branch=rel-1.31.1, git-commit-id=26250ae, …"; without a release's name there,
/// from the file's name.
fn version(info: &str, path: &Path) -> String {
    let field = |name: &str| {
        let rest = info.split(name).nth(1)?;
        rest.split([',', ' ']).next().filter(|value| !value.is_empty())
    };
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let file = real.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let named = file.strip_prefix("libonnxruntime.so.").filter(|version| version.contains('.'));
    let release = field("git-branch=rel-").or(named).unwrap_or("unknown");
    match field("git-commit-id=") {
        Some(commit) => format!("{release} {commit}"),
        None => release.to_owned(),
    }
}

/// Looks at a file before the dynamic loader does: one cut short kills the process that loads it (the
/// loader maps what is not there), and no error can be made of that.
pub(super) fn looks_whole(path: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("it cannot be read: {error}");
    let mut file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err("it is not a file".to_owned());
    }
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let mut header = [0; 64];
    file.read_exact(&mut header).map_err(|_| "it is not a library: it is too short".to_owned())?;
    if header[..4] != *b"\x7fELF" || header[5] != 1 {
        return Err("it is not a library of this system".to_owned());
    }
    if header[4] != 2 {
        return Err("it is a library for 32-bit programs".to_owned());
    }
    let short = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let long = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    // ELF-64 object file format: e_machine at 18, e_phoff at 32, e_phentsize at 54, e_phnum at 56.
    let machine = match std::env::consts::ARCH {
        "x86_64" => 62,
        "aarch64" => 183,
        _ => short(18),
    };
    if short(18) != machine {
        return Err(format!("it is a library for another processor than {}", std::env::consts::ARCH));
    }
    let (at, size, count) = (long(&header, 32), short(54), short(56));
    if size != 56 || count == 0 {
        return Err("it is not a library: it has no segments".to_owned());
    }
    let mut segments = vec![0; (size * count) as usize];
    file.seek(SeekFrom::Start(at)).map_err(failed)?;
    let cut = || "it is cut short; fetch it again".to_owned();
    file.read_exact(&mut segments).map_err(|_| cut())?;
    for segment in segments.chunks_exact(56) {
        // p_offset at 8, p_filesz at 32.
        let end = long(segment, 8).checked_add(long(segment, 32));
        if end.is_none_or(|end| end > meta.len()) {
            return Err(cut());
        }
    }
    Ok(())
}
