//! What a plugin asks for and what of it the owner grants: read, and held against each other. Whatever is
//! granted has been asked for; so an owner who has read the vendor's list has read all there can be.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::document::{Document, join};
use super::report::{FileId, Report, one_of, quoted};
use super::written::{
    At, DeployFile, GrantsSection, HttpAskWritten, HttpGrantWritten, Method, PluginSection, PortGrantSection,
    PortSection, StorageWritten,
};
use super::{
    Grants, HostPattern, HttpHost, Permissions, PortAsked, PortGranted, StorageQuota, TlsFiles, hosts, units,
};
use crate::base::Secret;

/// What the size of `storage` may be; the schema says it in words.
const STORAGE_BYTES: RangeInclusive<u64> = (1 << 10)..=(16 << 30);
/// How many keys an app asks for where it does not say.
const DEFAULT_ENTRIES: u32 = 1000;

/// What one plugin asks for.
pub(super) struct Asked {
    pub(super) permissions: Permissions,
    /// Whether all of it could be read: else a grant may well be of what could not.
    is_whole: bool,
}

/// Reads what `plugin` asks for besides `models`, which have been checked.
pub(super) fn asked(
    plugin: &str,
    written: &PluginSection,
    models: Vec<String>,
    file: FileId,
    report: &mut Report,
) -> Asked {
    let mut side = Side { plugin, file, report, is_sound: true };
    let mut permissions = Permissions { models, ..Permissions::default() };
    if let Some(section) = &written.permissions {
        permissions.pixels = section.pixels.unwrap_or_default();
        permissions.jpeg = section.jpeg.unwrap_or_default();
        permissions.storage =
            section.storage.as_ref().and_then(|written| side.storage(written, DEFAULT_ENTRIES));
        for entry in section.http.iter().flatten() {
            let (url, methods) = match &**entry {
                HttpAskWritten::Url(url) => (url, None),
                HttpAskWritten::Table(table) => (&table.url, table.methods.as_deref()),
            };
            let Some(mut host) = side.host(url, entry.at()) else { continue };
            if permissions.http.iter().any(|other| other.url == host.url) {
                side.wrong(
                    entry.at(),
                    format!("plugin `{plugin}` asks for {} twice; once is enough", quoted(&host.url)),
                );
                continue;
            }
            host.methods = side.methods(methods.unwrap_or(&Method::ALL), &host.url, entry.at());
            permissions.http.push(host);
        }
    }
    for port in written.ports.iter().flatten() {
        permissions.ports.extend(side.port_asked(port, &permissions.ports));
    }
    Asked { permissions, is_whole: side.is_sound }
}

/// What grants are held against besides the asks.
pub(super) struct Owner<'a> {
    pub(super) deploy: &'a Document<DeployFile>,
    pub(super) port_range: &'a RangeInclusive<u16>,
    /// The ports of this box that are given away, each with what has it.
    pub(super) host_ports: &'a mut BTreeMap<u16, String>,
}

/// Reads what `plugin` is granted of what it `asked` for.
pub(super) fn granted(
    plugin: &str,
    asked: &Asked,
    written: &GrantsSection,
    owner: &mut Owner<'_>,
    report: &mut Report,
) -> Grants {
    let mut side = Side { plugin, file: owner.deploy.file, report, is_sound: true };
    let Asked { permissions: asks, is_whole } = asked;
    let mut grants = Grants::default();
    for model in written.models.iter().flatten() {
        let shown = quoted(model);
        if !asks.models.contains(model) {
            let instead = one_of(model, asks.models.iter().map(String::as_str));
            side.wrong(
                model.at(),
                format!("plugin `{plugin}` is granted model {shown}; it asks for {instead}"),
            );
        } else if grants.models.contains(model) {
            side.wrong(
                model.at(),
                format!("plugin `{plugin}` is granted model {shown} twice; once is enough"),
            );
        } else {
            grants.models.push((**model).clone());
        }
    }
    for (key, written, is_asked, grant) in [
        ("pixels", &written.pixels, asks.pixels, &mut grants.pixels),
        ("jpeg", &written.jpeg, asks.jpeg, &mut grants.jpeg),
    ] {
        let Some(written) = written else { continue };
        *grant = **written;
        if **written && !is_asked {
            side.not_asked(key, written.at());
        }
    }
    if let Some(written) = &written.storage {
        let given = side.storage(written, asks.storage.map_or(DEFAULT_ENTRIES, |most| most.entries));
        if asks.storage.is_none() && *is_whole {
            side.not_asked("storage", written.at());
        }
        grants.storage = given.zip(asks.storage).map(|(given, most)| StorageQuota {
            bytes: given.bytes.min(most.bytes),
            entries: given.entries.min(most.entries),
        });
    }
    for entry in written.http.iter().flatten() {
        let (url, methods, addresses) = match &**entry {
            HttpGrantWritten::Url(url) => (url, None, None),
            HttpGrantWritten::Table(table) => {
                (&table.url, table.methods.as_deref(), table.addresses.as_deref())
            }
        };
        let Some(host) = side.host(url, entry.at()) else { continue };
        let shown = quoted(&host.url);
        match asks.http.iter().find(|asked| asked.url == host.url) {
            Some(_) if grants.http.iter().any(|other| other.url == host.url) => {
                side.wrong(entry.at(), format!("plugin `{plugin}` is granted {shown} twice; once is enough"));
            }
            Some(asked) => grants.http.push(side.narrowed(asked, methods, addresses, entry.at())),
            None if *is_whole => {
                let instead = one_of(&host.url, asks.http.iter().map(|asked| asked.url.as_str()));
                side.wrong(
                    entry.at(),
                    format!("plugin `{plugin}` is granted {shown}; it asks for {instead}"),
                );
            }
            None => {}
        }
    }
    for port in written.ports.iter().flatten() {
        let shown = quoted(&port.name);
        match asks.ports.iter().find(|asked| asked.name == *port.name) {
            Some(_) if grants.ports.iter().any(|other| other.name == *port.name) => {
                side.wrong(
                    port.name.at(),
                    format!("plugin `{plugin}` is granted port {shown} twice; once is enough"),
                );
            }
            Some(asked) => {
                let port = side.port_granted(asked, port, owner);
                grants.ports.push(port);
            }
            None if *is_whole => {
                let instead = one_of(&port.name, asks.ports.iter().map(|asked| asked.name.as_str()));
                side.wrong(
                    port.name.at(),
                    format!("plugin `{plugin}` is granted port {shown}; it asks for {instead}"),
                );
            }
            None => {}
        }
    }
    grants
}

/// One plugin in one of the files.
struct Side<'a> {
    plugin: &'a str,
    file: FileId,
    report: &'a mut Report,
    is_sound: bool,
}

impl Side<'_> {
    fn wrong(&mut self, at: usize, what: String) {
        self.is_sound = false;
        self.report.at(self.file, at, what);
    }

    fn not_asked(&mut self, key: &str, at: usize) {
        let what =
            format!("plugin `{}` is granted `{key}` and does not ask for it; leave it out", self.plugin);
        self.wrong(at, what);
    }

    fn storage(&mut self, written: &At<StorageWritten>, default_entries: u32) -> Option<StorageQuota> {
        let (size, entries) = match &**written {
            StorageWritten::Size(size) => (size, None),
            StorageWritten::Table(table) => (&table.size, table.entries),
        };
        match units::size(size, &STORAGE_BYTES) {
            Ok(bytes) => Some(StorageQuota { bytes, entries: entries.unwrap_or(default_entries) }),
            Err(remedy) => {
                let what = format!("plugin `{}`: `storage` is {}; {remedy}", self.plugin, quoted(size));
                self.wrong(written.at(), what);
                None
            }
        }
    }

    fn host(&mut self, url: &str, at: usize) -> Option<HttpHost> {
        hosts::host(url)
            .map_err(|what| self.wrong(at, format!("plugin `{}`: in `http`, {what}", self.plugin)))
            .ok()
    }

    /// The methods in their usual order.
    fn methods(&mut self, written: &[Method], url: &str, at: usize) -> Vec<String> {
        let mut methods = written.to_vec();
        methods.sort_unstable();
        methods.dedup();
        if methods.len() < written.len() {
            let what = format!(
                "plugin `{}`: a method of {} is there twice; once is enough",
                self.plugin,
                quoted(url)
            );
            self.wrong(at, what);
        }
        methods.into_iter().map(|method| method.as_str().to_owned()).collect()
    }

    /// What the owner grants of the host that was `asked` for.
    fn narrowed(
        &mut self,
        asked: &HttpHost,
        methods: Option<&[Method]>,
        addresses: Option<&[String]>,
        at: usize,
    ) -> HttpHost {
        let plugin = self.plugin;
        let shown = quoted(&asked.url);
        let mut host = asked.clone();
        if let Some(methods) = methods {
            host.methods = self.methods(methods, &asked.url, at);
            if let Some(method) = host.methods.iter().find(|method| !asked.methods.contains(method)) {
                let instead = one_of(method, asked.methods.iter().map(String::as_str));
                let what = format!(
                    "plugin `{plugin}` is granted `{method}` at {shown}; it asks for {instead} there"
                );
                self.wrong(at, what);
            }
        }
        for address in addresses.into_iter().flatten() {
            if matches!(asked.host, HostPattern::Address(_)) {
                let what = format!(
                    "plugin `{plugin}`: {shown} is an address, which is granted with it; leave `addresses` out"
                );
                self.wrong(at, what);
                break;
            }
            match hosts::net(address) {
                Ok(net) => host.addresses.push(net),
                Err(what) => self.wrong(at, format!("plugin `{plugin}`: in `addresses`, {what}")),
            }
        }
        host
    }

    fn port_asked(&mut self, written: &PortSection, others: &[PortAsked]) -> Option<PortAsked> {
        let (name, shown) = (&*written.name, quoted(&written.name));
        if !units::is_name(name) {
            let what = format!(
                "{shown} cannot name a port; a name is 1 to 64 of a-z, 0-9, `_` and `-`, first a letter"
            );
            self.wrong(written.name.at(), what);
            return None;
        }
        if others.iter().any(|other| other.name == *name) {
            let what = format!("plugin `{}` asks for port {shown} twice; once is enough", self.plugin);
            self.wrong(written.name.at(), what);
            return None;
        }
        let title = written.title.clone().unwrap_or_else(|| name.clone());
        Some(PortAsked { name: name.clone(), port: written.port, title })
    }

    /// The port that was `asked` for as the owner opens it.
    fn port_granted(
        &mut self,
        asked: &PortAsked,
        written: &PortGrantSection,
        owner: &mut Owner<'_>,
    ) -> PortGranted {
        let (plugin, name) = (self.plugin, &asked.name);
        let (host_port, range) = (*written.host_port, owner.port_range);
        if !range.contains(&host_port) {
            let what = format!(
                "plugin `{plugin}`: port `{name}` has `host_port` `{host_port}`; `port_range` is `{}-{}`",
                range.start(),
                range.end()
            );
            self.wrong(written.host_port.at(), what);
        } else if let Some(other) = owner.host_ports.get(&host_port) {
            let free = range.clone().find(|port| !owner.host_ports.contains_key(port));
            let remedy = match free {
                Some(free) => format!("`{free}` is free"),
                None => "widen `port_range`".to_owned(),
            };
            let what = format!(
                "plugin `{plugin}`: port `{name}` has `host_port` `{host_port}`, which {other} has already; {remedy}"
            );
            self.wrong(written.host_port.at(), what);
        } else {
            owner.host_ports.insert(host_port, format!("port `{name}` of plugin `{plugin}`"));
        }
        let mut from = Vec::new();
        for net in written.from.iter().flatten() {
            match hosts::net(net) {
                Ok(net) => from.push(net),
                Err(what) => {
                    self.wrong(net.at(), format!("plugin `{plugin}`: in `from` of port `{name}`, {what}"));
                }
            }
        }
        if from.is_empty() {
            from = hosts::this_machine();
        }
        // What cannot stand in a header (RFC 9110, 5.5) no client could bring; a space would end it.
        if let Some(token) =
            written.token.as_ref().filter(|token| !token.bytes().all(|b| b.is_ascii_graphic()))
        {
            let what = format!(
                "plugin `{plugin}`: the `token` of port `{name}` has other than visible ASCII characters; leave them out"
            );
            self.wrong(token.at(), what);
        }
        let file = |path: &At<String>| join(&owner.deploy.folder, path);
        let tls = match (&written.certificate, &written.key) {
            (Some(certificate), Some(key)) => {
                Some(TlsFiles { certificate: file(certificate), key: file(key) })
            }
            (None, None) => None,
            (Some(there), None) | (None, Some(there)) => {
                let (there_is, missing) =
                    if written.key.is_none() { ("certificate", "key") } else { ("key", "certificate") };
                let what =
                    format!("plugin `{plugin}`: port `{name}` has a `{there_is}` and no `{missing}`; add it");
                self.wrong(there.at(), what);
                None
            }
        };
        PortGranted {
            name: name.clone(),
            title: asked.title.clone(),
            host_port,
            from,
            token: written.token.as_deref().map(Secret::new),
            tls,
        }
    }
}
