//! What a component asks for, read from the component itself, and what of it is linked.

use std::collections::BTreeSet;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// What the owner granted: exactly this is linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Linked {
    /// `frames.frame.read`.
    pub pixels: bool,
    /// `frames.frame.jpeg`.
    pub jpeg: bool,
    /// `models`.
    pub models: bool,
    /// `storage`.
    pub storage: bool,
    /// `http`, and `wasi:http/outgoing-handler`.
    pub http: bool,
    /// A component that exports `wasi:http/incoming-handler` is taken.
    pub ports: bool,
}

impl Linked {
    /// All there is.
    pub const ALL: Self =
        Self { pixels: true, jpeg: true, models: true, storage: true, http: true, ports: true };
}

/// Something a component imports that needs a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Pixels.
    Pixels,
    /// JPEG snapshots.
    Jpeg,
    /// Models.
    Models,
    /// Storage.
    Storage,
    /// Requests to hosts.
    Http,
    /// Answering requests on a port.
    Ports,
}

impl Need {
    /// Its key in the manifest.
    pub fn key(self) -> &'static str {
        match self {
            Need::Pixels => "pixels",
            Need::Jpeg => "jpeg",
            Need::Models => "models",
            Need::Storage => "storage",
            Need::Http => "http",
            Need::Ports => "ports",
        }
    }

    fn is_linked(self, linked: Linked) -> bool {
        match self {
            Need::Pixels => linked.pixels,
            Need::Jpeg => linked.jpeg,
            Need::Models => linked.models,
            Need::Storage => linked.storage,
            Need::Http => linked.http,
            Need::Ports => linked.ports,
        }
    }
}

/// What a component imports and exports, in Transom's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// What needs a grant, with the import that needs it.
    pub needs: Vec<(Need, String)>,
    /// Interfaces anyone may use.
    pub free: Vec<String>,
    /// Interfaces this host does not have at all, each with the remedy.
    pub unknown: Vec<(String, &'static str)>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Whether it answers requests on ports.
    pub serves: bool,
}

const FREE: [&str; 5] = [
    "transom:app/events",
    "transom:app/log",
    "transom:app/marks",
    "transom:app/metrics",
    "transom:app/frames",
];
const FREE_WASI: [&str; 5] = ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random"];

impl Sheet {
    /// Reads a compiled component.
    pub(super) fn read(engine: &Engine, component: &Component) -> Self {
        let kind = component.component_type();
        let mut sheet = Self::default();
        for (name, item) in kind.imports(engine) {
            sheet.import(engine, name, &item.ty);
        }
        sheet.exports = kind.exports(engine).map(|(name, _)| name.to_owned()).collect();
        sheet.serves = sheet.exports.iter().any(|name| name.starts_with("wasi:http/incoming-handler@0.2."));
        if let Some(handler) =
            sheet.exports.iter().find(|name| name.starts_with("wasi:http/incoming-handler@"))
        {
            sheet.needs.push((Need::Ports, handler.clone()));
        }
        sheet
    }

    fn import(&mut self, engine: &Engine, name: &str, item: &ComponentItem) {
        let (interface, version) = name.split_once('@').unwrap_or((name, ""));
        let package = interface.split('/').next().unwrap_or(interface);
        // The linker matches versions as semver does: a later 0.1.N adds to 0.1, and so with WASI 0.2.
        let ours = version.starts_with("0.1.");
        let wasi = version.starts_with("0.2.");
        match interface {
            "transom:app/frames" if ours => {
                self.free.push(name.to_owned());
                let ComponentItem::ComponentInstance(instance) = item else { return };
                let functions: BTreeSet<&str> = instance.exports(engine).map(|(name, _)| name).collect();
                for (function, need) in
                    [("[method]frame.read", Need::Pixels), ("[method]frame.jpeg", Need::Jpeg)]
                {
                    if functions.contains(function) {
                        self.needs.push((need, format!("frames.{}", &function["[method]".len()..])));
                    }
                }
            }
            "transom:app/models" if ours => self.needs.push((Need::Models, name.to_owned())),
            "transom:app/storage" if ours => self.needs.push((Need::Storage, name.to_owned())),
            "transom:app/http" if ours => self.needs.push((Need::Http, name.to_owned())),
            "wasi:http/outgoing-handler" if wasi => self.needs.push((Need::Http, name.to_owned())),
            // Types alone do nothing; they come with whatever uses them.
            "wasi:http/types" if wasi => self.free.push(name.to_owned()),
            _ if ours && FREE.contains(&interface) || wasi && FREE_WASI.contains(&package) => {
                self.free.push(name.to_owned());
            }
            _ => {
                let remedy = match package {
                    "wasi:sockets" => "plugins have no network of their own; ask for `http`",
                    "transom:app" => "it was built for another version of the interface than 0.1",
                    _ => "a plugin imports `transom:app` and the WASI of its standard library, nothing else",
                };
                self.unknown.push((name.to_owned(), remedy));
            }
        }
    }

    /// The first thing it needs that is not linked.
    pub fn lacks(&self, linked: Linked) -> Option<&(Need, String)> {
        self.needs.iter().find(|(need, _)| !need.is_linked(linked))
    }
}
