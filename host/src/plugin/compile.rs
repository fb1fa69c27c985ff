//! Turns a component into machine code, apart from everything that runs: a hostile component can make a
//! compiler work without end, so it works in a process of its own, with memory and time of its own. What it
//! made is kept by digest, and taken again only where this device's own seal is on it.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ring::hmac;
use ring::rand::SystemRandom;
use rustix::process::{Resource, Rlimit, setrlimit};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::base::{Clock, Error, Result};

/// CPU time a compilation may take, over all its threads.
const MOST_CPU_S: u64 = 60;
/// Time it may take.
const LONGEST: Duration = Duration::from_secs(60);
/// Memory it may take.
const MOST_MEMORY: u64 = 2 << 30;
/// Machine code taken of one component.
const MOST_CODE: u64 = 256 << 20;
/// How often a compilation is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Lowers what competes with the streams.
const NICE: i32 = 10;

/// Where components are compiled.
#[derive(Debug, Clone, Default)]
pub enum Compiler {
    /// In the calling process, without limits: for components one has built oneself.
    #[default]
    Here,
    /// In a process of its own.
    Apart {
        /// The program to run as `PROGRAM compile`: this one.
        program: PathBuf,
        /// The folder compiled code is kept in; none: nowhere.
        cache: Option<PathBuf>,
    },
}

impl Compiler {
    /// Compiles a component that has passed for one by its first bytes.
    pub(super) fn compile(&self, engine: &Engine, component: &[u8]) -> Result<Component> {
        let (program, cache) = match self {
            Compiler::Here => {
                return Component::from_binary(engine, component)
                    .map_err(|error| not_compiled(&format!("{error:#}")));
            }
            Compiler::Apart { program, cache } => (program, cache),
        };
        let store = cache.as_deref().and_then(|folder| Store::open(folder, engine, component));
        if let Some(code) = store.as_ref().and_then(Store::read)
            && let Ok(component) = load(engine, &code)
        {
            return Ok(component);
        }
        let code = run(program, component)?;
        let component = load(engine, &code).map_err(|error| not_compiled(&format!("{error:#}")))?;
        if let Some(store) = &store {
            store.write(&code);
        }
        Ok(component)
    }
}

fn not_compiled(why: &str) -> Error {
    Error::plugin(format!("the component cannot be compiled: {why}"))
}

/// Takes in machine code.
#[allow(unsafe_code, reason = "decision 0007: the bytes are this program's own compiler's, fresh or sealed")]
fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` is what `Component::serialize` gave, in a process started by `run` from this very program
    // and handed over by its standard output, or read back under a seal that only this device can make.
    unsafe { Component::deserialize(engine, code) }
}

/// The other side of [`Compiler::Apart`]: compiles what comes on standard input to standard output, within the
/// limits. Errors are for the parent's words.
///
/// # Errors
/// [`Kind::Plugin`](crate::base::Kind::Plugin) where the component is none.
pub fn compile_apart() -> Result<()> {
    let internal = |what: &str, error: &dyn std::fmt::Display| Error::internal(format!("{what}: {error}"));
    let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
    for (resource, most) in
        [(Resource::As, MOST_MEMORY), (Resource::Cpu, MOST_CPU_S), (Resource::Core, 0), (Resource::Fsize, 0)]
    {
        setrlimit(resource, limit(most)).map_err(|error| internal("the compiler's limits", &error))?;
    }
    // Where the system does not allow it, it competes; its other limits hold.
    let _ = rustix::process::setpriority_process(None, NICE);
    let mut component = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut component)
        .map_err(|error| internal("standard input", &error))?;
    let engine = super::engine::configured()?;
    let compiled = Component::from_binary(&engine, &component).and_then(|component| component.serialize());
    let code = compiled.map_err(|error| Error::plugin(format!("{error:#}")))?;
    std::io::stdout().lock().write_all(&code).map_err(|error| internal("standard output", &error))
}

fn run(program: &Path, component: &[u8]) -> Result<Vec<u8>> {
    let internal = |error: std::io::Error| Error::internal(format!("the compiler cannot be run: {error}"));
    let mut child = Command::new(program)
        .arg("compile")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(internal)?;
    let (mut input, output, words) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A compiler that has stopped reading says why on its other pipes.
            let _ = input.take().map(|mut input| input.write_all(component));
        });
        let code = scope.spawn(move || drain(output, MOST_CODE + 1));
        let words = scope.spawn(move || drain(words, 16 << 10));
        let ended = wait(&mut child);
        let (code, words) = (code.join().unwrap_or_default(), words.join().unwrap_or_default());
        let Some(status) = ended else {
            return Err(not_compiled(&format!(
                "the compiler did not end within {} s; it was stopped",
                LONGEST.as_secs()
            )));
        };
        if status.success() {
            if code.len() as u64 > MOST_CODE {
                return Err(not_compiled(&format!(
                    "it has more than {} MiB of machine code",
                    MOST_CODE >> 20
                )));
            }
            return Ok(code);
        }
        let words = String::from_utf8_lossy(&words);
        let why = match words.trim().strip_prefix("error: ") {
            Some(words) if status.code().is_some() => words.to_owned(),
            _ => format!(
                "the compiler went beyond its {MOST_CPU_S} s of processor time or {} MiB of memory ({status})",
                MOST_MEMORY >> 20
            ),
        };
        Err(not_compiled(&why))
    })
}

fn drain(pipe: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A pipe that breaks ends there; the exit status tells the rest.
    let _ = pipe.map(|pipe| pipe.take(most).read_to_end(&mut bytes));
    bytes
}

/// The child's end; none: it was stopped because it did not come to one.
fn wait(child: &mut Child) -> Option<std::process::ExitStatus> {
    let clock = Clock::system();
    while clock.now() < LONGEST {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => std::thread::sleep(LOOK),
            Err(_) => break,
        }
    }
    // It may have ended by itself meanwhile; either way it is gone and its place in the table is freed.
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// A place for one component's machine code.
struct Store {
    file: PathBuf,
    key: hmac::Key,
}

impl Store {
    /// None where the folder cannot be used: code is compiled anew each time then.
    fn open(folder: &Path, engine: &Engine, component: &[u8]) -> Option<Self> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).ok()?;
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let digest = Sha256::digest(component);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let file = folder.join(format!("{}-{:016x}.code", hex(&digest), settings.finish()));
        Some(Self { file, key: device_key(folder)? })
    }

    /// The sealed name is part of what is sealed: code of one component is not taken for another's.
    fn sealed(&self, code: &[u8]) -> hmac::Context {
        let mut seal = hmac::Context::with_key(&self.key);
        seal.update(self.file.file_name().unwrap_or_default().as_encoded_bytes());
        seal.update(code);
        seal
    }

    fn read(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(&self.file).ok()?.take(MOST_CODE + 64).read_to_end(&mut bytes).ok()?;
        let code = bytes.split_off(bytes.len().min(hmac::HMAC_SHA256.digest_algorithm().output_len()));
        let right = self.sealed(&code).sign();
        // Constant time is of no use to who holds the file; equality is.
        (right.as_ref() == bytes).then_some(code)
    }

    /// Whole or not at all; where it fails, the code is compiled anew the next time.
    fn write(&self, code: &[u8]) {
        let beside = self.file.with_extension(format!("new{}", std::process::id()));
        let written = fs::File::create(&beside).and_then(|mut file| {
            file.write_all(self.sealed(code).sign().as_ref())?;
            file.write_all(code)
        });
        let done = written.and_then(|()| fs::rename(&beside, &self.file));
        if done.is_err() {
            let _ = fs::remove_file(&beside);
        }
    }
}

/// The key of this device's seal: made once, readable by its owner alone.
fn device_key(folder: &Path) -> Option<hmac::Key> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = folder.join("seal.key");
    if let Ok(bytes) = fs::read(&file)
        && bytes.len() == 32
    {
        return Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes));
    }
    let fresh: [u8; 32] = ring::rand::generate(&SystemRandom::new()).ok()?.expose();
    let beside = folder.join(format!("seal.new{}", std::process::id()));
    let mut new =
        fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside).ok()?;
    new.write_all(&fresh).ok()?;
    fs::rename(&beside, &file).ok()?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, &fresh))
}
