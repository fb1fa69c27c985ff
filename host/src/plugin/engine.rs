//! The WebAssembly engine all plugins share, and what becomes of a component before it runs.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use wasmtime::Config;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime_wasi_http::p2::bindings::sync::exports::wasi::http::incoming_handler::GuestIndices as HandlerIndices;
use wasmtime_wasi_http::p2::bindings::sync::http::outgoing_handler;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};

use super::bindings::PluginIndices;
use super::bindings::transom::app::{events, http, log, marks, metrics, models, storage};
use super::compile::Compiler;
use super::grants::{Linked, Need, Sheet};
use super::guest::{Guest, link_frames};
use super::ticker::Ticker;
use super::wasi;
use crate::base::{Error, Result, read_file};

/// The largest component taken, in bytes. A Python component is 18 MB.
const LARGEST_COMPONENT: u64 = 32 << 20;

/// The interface a plugin is called through.
const LIFECYCLE: &str = "transom:app/lifecycle@0.1.0";

/// Compiles components and links what was granted.
pub struct Engine {
    engine: wasmtime::Engine,
    compiler: Compiler,
    /// With what needs no grant.
    linker: Linker<Guest>,
    ticker: Arc<Ticker>,
}

/// A component compiled, checked and ready to be started any number of times.
#[derive(Clone)]
pub struct Program {
    pub(super) pre: InstancePre<Guest>,
    pub(super) exports: PluginIndices,
    /// Where it answers requests.
    pub(super) handler: Option<HandlerIndices>,
    pub(super) engine: wasmtime::Engine,
    pub(super) ticker: Arc<Ticker>,
}

/// The engine as every process of this program sets it up: code compiled in one is loaded in another.
pub(super) fn configured() -> Result<wasmtime::Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // No plugin is called asynchronously; calls are 2-4 times cheaper so, and async components are refused.
    config.concurrency_support(false);
    wasmtime::Engine::new(&config).map_err(|error| internal(&error))
}

fn internal(error: &wasmtime::Error) -> Error {
    Error::internal(format!("the plugin engine: {error:#}"))
}

impl Engine {
    /// Makes the engine and starts its ticker thread, which ends with it.
    ///
    /// # Errors
    /// Where the machine lacks what the engine needs.
    pub fn new(compiler: Compiler) -> Result<Self> {
        let engine = configured()?;
        let mut linker = Linker::new(&engine);
        link_free(&mut linker).map_err(|error| internal(&error))?;
        let ticker = Ticker::start(engine.weak())
            .map_err(|error| Error::internal(format!("the plugin engine's ticker: {error}")))?;
        Ok(Self { engine, compiler, linker, ticker })
    }

    /// Reads, checks and compiles the component at `path`, and links what was granted.
    ///
    /// # Errors
    /// [`Kind::Plugin`](crate::base::Kind::Plugin) where the file is missing, no component, imports what is
    /// not there or was not granted, or does not export what a plugin must.
    pub fn load(&self, path: &Path, linked: Linked) -> Result<Program> {
        self.load_bytes(&read(path)?, linked).map_err(|error| error.within(path.display()))
    }

    /// As [`load`](Self::load), with the component in memory.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_bytes(&self, bytes: &[u8], linked: Linked) -> Result<Program> {
        let component = self.compile(bytes)?;
        let sheet = Sheet::read(&self.engine, &component);
        check(&sheet, linked)?;
        let link = || {
            let mut linker = self.linker.clone();
            link_granted(&mut linker, linked)?;
            linker.instantiate_pre(&component)
        };
        let pre: InstancePre<Guest> =
            link().map_err(|error| Error::plugin(format!("its imports do not fit this host: {error:#}")))?;
        let exports = PluginIndices::new(&pre)
            .map_err(|error| Error::plugin(format!("its exports do not fit `{LIFECYCLE}`: {error:#}")))?;
        let handler = sheet.serves.then(|| HandlerIndices::new(&pre)).transpose().map_err(|error| {
            Error::plugin(format!("its exports do not fit `wasi:http/incoming-handler`: {error:#}"))
        })?;
        let (engine, ticker) = (self.engine.clone(), Arc::clone(&self.ticker));
        Ok(Program { pre, exports, handler, engine, ticker })
    }

    /// What the component at `path` imports and exports, whether or not this host would take it.
    ///
    /// # Errors
    /// [`Kind::Plugin`](crate::base::Kind::Plugin) where the file is missing or no component.
    pub fn inspect(&self, path: &Path) -> Result<Sheet> {
        let component = self.compile(&read(path)?).map_err(|error| error.within(path.display()))?;
        Ok(Sheet::read(&self.engine, &component))
    }

    fn compile(&self, bytes: &[u8]) -> Result<Component> {
        if bytes.starts_with(b"\0asm\x01\0\0\0") {
            return Err(Error::plugin(
                "this is a core WebAssembly module, not a component; build it with `--target wasm32-wasip2`",
            ));
        }
        // `Component::new` would also take the text format; a plugin file is binary.
        if !bytes.starts_with(b"\0asm") {
            return Err(Error::plugin(
                "this is not WebAssembly; the file of a plugin is a component (.wasm)",
            ));
        }
        if bytes.len() as u64 > LARGEST_COMPONENT {
            return Err(too_large(bytes.len() as u64));
        }
        self.compiler.compile(&self.engine, bytes)
    }
}

/// What a plugin finds whatever was granted.
fn link_free(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasi::add_to_linker(linker)?;
    events::add_to_linker::<Guest, Guest>(linker, |guest| guest)?;
    marks::add_to_linker::<Guest, Guest>(linker, |guest| guest)?;
    metrics::add_to_linker::<Guest, Guest>(linker, |guest| guest)?;
    log::add_to_linker::<Guest, Guest>(linker, |guest| guest)
}

fn link_granted(linker: &mut Linker<Guest>, linked: Linked) -> wasmtime::Result<()> {
    link_frames(linker, linked)?;
    if linked.models {
        models::add_to_linker::<Guest, Guest>(linker, |guest| guest)?;
    }
    if linked.storage {
        storage::add_to_linker::<Guest, Guest>(linker, |guest| guest)?;
    }
    if linked.http {
        http::add_to_linker::<Guest, Guest>(linker, |guest| guest)?;
        outgoing_handler::add_to_linker::<Guest, WasiHttp>(linker, Guest::http)?;
    }
    Ok(())
}

/// Says in words what instantiation would say in the linker's.
fn check(sheet: &Sheet, linked: Linked) -> Result<()> {
    if let Some((name, remedy)) = sheet.unknown.first() {
        return Err(Error::plugin(format!("it imports `{name}`, which this host does not have; {remedy}")));
    }
    if let Some((need, import)) = sheet.lacks(linked) {
        let key = need.key();
        let uses = if *need == Need::Ports { "exports" } else { "imports" };
        return Err(Error::plugin(format!(
            "it {uses} `{import}`, which needs `{key}`, and that is not granted; ask for it in app.toml and grant it in deploy.toml"
        )));
    }
    if !sheet.exports.iter().any(|name| name == LIFECYCLE) {
        let has = match sheet.exports.as_slice() {
            [] => "nothing".to_owned(),
            exports => format!("`{}`", exports.join("`, `")),
        };
        return Err(Error::plugin(format!(
            "it does not export `{LIFECYCLE}` but {has}; build it against `transom:app@0.1.0`"
        )));
    }
    Ok(())
}

fn too_large(size: u64) -> Error {
    Error::plugin(format!(
        "{} MiB is more than the {} MiB a component may have",
        size.div_ceil(1 << 20),
        LARGEST_COMPONENT >> 20
    ))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let fail = |error: std::io::Error| {
        let why = match error.kind() {
            ErrorKind::NotFound => "there is no such file; build it, or say in `build` how".to_owned(),
            _ => error.to_string(),
        };
        Error::plugin(why).within(path.display())
    };
    let size = std::fs::metadata(path).map_err(fail)?.len();
    if size > LARGEST_COMPONENT {
        return Err(too_large(size).within(path.display()));
    }
    read_file(path).map_err(fail)
}
