//! The WebAssembly engine all plugins share, and what becomes of a component before it runs.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use wasmtime::Config;
use wasmtime::component::{Component, InstancePre, Linker};

use super::bindings::PluginPre;
use super::guest::Guest;
use super::ticker::Ticker;
use super::{bindings, wasi};
use crate::base::{Error, Result};

/// The largest component taken, in bytes. A Python component is 18 MB.
const LARGEST_COMPONENT: u64 = 64 << 20;

/// The interface a plugin is called through.
const LIFECYCLE: &str = "transom:app/lifecycle@0.1.0";

/// Compiles components and holds what they may import.
pub struct Engine {
    engine: wasmtime::Engine,
    linker: Linker<Guest>,
    ticker: Arc<Ticker>,
    /// Names of the interfaces linked, for messages.
    linked: BTreeSet<String>,
}

/// A component compiled, checked and ready to be started any number of times.
#[derive(Clone)]
pub struct Program {
    pub(super) pre: PluginPre<Guest>,
    pub(super) engine: wasmtime::Engine,
    pub(super) ticker: Arc<Ticker>,
}

impl Engine {
    /// Makes the engine and starts its ticker thread, which ends with it.
    ///
    /// # Errors
    /// Where the machine lacks what the engine needs.
    pub fn new() -> Result<Self> {
        let internal = |error: wasmtime::Error| Error::internal(format!("the plugin engine: {error:#}"));
        let mut config = Config::new();
        config.epoch_interruption(true);
        // No plugin is called asynchronously; calls are 2-4 times cheaper so, and async components are
        // refused.
        config.concurrency_support(false);
        let engine = wasmtime::Engine::new(&config).map_err(internal)?;
        let mut linker = Linker::new(&engine);
        wasi::add_to_linker(&mut linker).map_err(internal)?;
        bindings::Plugin::add_to_linker::<Guest, Guest>(&mut linker, |guest| guest).map_err(internal)?;
        let ticker = Ticker::start(engine.weak())
            .map_err(|error| Error::internal(format!("the plugin engine's ticker: {error}")))?;
        let linked = [
            "transom:app/events",
            "transom:app/frames",
            "transom:app/log",
            "transom:app/marks",
            "transom:app/metrics",
            "transom:app/models",
            "wasi:cli",
            "wasi:clocks",
            "wasi:filesystem",
            "wasi:io",
            "wasi:random",
        ];
        Ok(Self { engine, linker, ticker, linked: linked.into_iter().map(str::to_owned).collect() })
    }

    /// Reads, checks and compiles the component at `path`.
    ///
    /// # Errors
    /// [`Kind::Plugin`](crate::base::Kind::Plugin) where the file is missing, no component, imports what is
    /// not there, or does not export what a plugin must.
    pub fn load(&self, path: &Path) -> Result<Program> {
        self.load_bytes(&read(path)?).map_err(|error| error.within(path.display()))
    }

    /// Checks and compiles a component.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_bytes(&self, bytes: &[u8]) -> Result<Program> {
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
        let component = Component::from_binary(&self.engine, bytes)
            .map_err(|error| Error::plugin(format!("the component cannot be compiled: {error:#}")))?;
        self.check(&component)?;
        let pre: InstancePre<Guest> = self
            .linker
            .instantiate_pre(&component)
            .map_err(|error| Error::plugin(format!("its imports do not fit this host: {error:#}")))?;
        let pre = PluginPre::new(pre)
            .map_err(|error| Error::plugin(format!("its exports do not fit `{LIFECYCLE}`: {error:#}")))?;
        Ok(Program { pre, engine: self.engine.clone(), ticker: Arc::clone(&self.ticker) })
    }

    /// Says in words what instantiation would say in the linker's.
    fn check(&self, component: &Component) -> Result<()> {
        let kind = component.component_type();
        for (name, _) in kind.imports(&self.engine) {
            let (interface, version) = name.split_once('@').unwrap_or((name, ""));
            let package = interface.split('/').next().unwrap_or(interface);
            // The linker matches versions as semver does: a later 0.1.N adds to 0.1, and so with WASI 0.2.
            if self.linked.contains(interface) && version.starts_with("0.1.")
                || self.linked.contains(package) && version.starts_with("0.2.")
            {
                continue;
            }
            let remedy = match package {
                "wasi:sockets" | "wasi:http" => "plugins have no network of their own",
                "transom:app" => "it was built for another version of the interface than 0.1",
                _ => "a plugin imports `transom:app` and the WASI of its standard library, nothing else",
            };
            return Err(Error::plugin(format!(
                "it imports `{name}`, which this host does not have; {remedy}"
            )));
        }
        let exports: Vec<String> = kind.exports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        if !exports.iter().any(|name| name == LIFECYCLE) {
            let has =
                if exports.is_empty() { "nothing".to_owned() } else { format!("`{}`", exports.join("`, `")) };
            return Err(Error::plugin(format!(
                "it does not export `{LIFECYCLE}` but {has}; build it against `transom:app@0.1.0`"
            )));
        }
        Ok(())
    }
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
        return Err(Error::plugin(format!(
            "{}: {} MiB is more than the {} MiB a component may have",
            path.display(),
            size >> 20,
            LARGEST_COMPONENT >> 20
        )));
    }
    std::fs::read(path).map_err(fail)
}
