//! What an app asks for and was not granted, in words for its owner and as the TOML that grants it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::report::plain;
use super::{
    App, Grants, HostPattern, HttpHost, Missing, Permissions, PortAsked, PortGranted, StorageQuota, hosts,
    units,
};
use crate::base::{Error, Result};

/// See [`App::missing_grants`].
pub(super) fn missing(app: &App) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut suggestion = suggestions(app);
    for plugin in &app.plugins {
        let (asks, grants) = (&plugin.permissions, &plugin.grants);
        let mut add = |words: String, toml: String| {
            missing.push(Missing { plugin: plugin.name.clone(), words, toml });
        };
        for model in lacking(&asks.models, |model| grants.models.contains(model)) {
            add(format!("ask model `{model}`"), format!("models = [\"{model}\"]"));
        }
        if asks.pixels && !grants.pixels {
            add("read the pixels of the cameras it watches".to_owned(), "pixels = true".to_owned());
        }
        if asks.jpeg && !grants.jpeg {
            add("take JPEG pictures of the cameras it watches".to_owned(), "jpeg = true".to_owned());
        }
        if let (Some(quota), None) = (asks.storage, grants.storage) {
            let size = units::show_size(quota.bytes);
            let unit = size.trim_start_matches(|c: char| c.is_ascii_digit());
            let number = &size[..size.len() - unit.len()];
            add(
                format!("keep up to {number} {unit} in {} entries", quota.entries),
                format!("storage = {}", storage_toml(quota, quota)),
            );
        }
        for host in lacking(&asks.http, |host| grants.http.iter().any(|one| one.url == host.url)) {
            add(
                format!("send {} requests to {}", host.methods.join(", "), host.url),
                format!("http = [{}]", host_toml(host, host)),
            );
        }
        for port in lacking(&asks.ports, |port| grants.ports.iter().any(|one| one.name == port.name)) {
            let title =
                if port.title == port.name { String::new() } else { format!(" ({})", plain(&port.title)) };
            let host_port = suggestion(port).unwrap_or(*app.port_range.start());
            add(
                format!("answer on a port: {}{title}", port.name),
                format!("ports = [{{ name = \"{}\", host_port = {host_port} }}]", port.name),
            );
        }
    }
    missing
}

/// See [`App::grants_toml`].
pub(super) fn toml(app: &App) -> String {
    let mut suggestion = suggestions(app);
    let mut text = String::new();
    for plugin in &app.plugins {
        let mut grants = plugin.grants.clone();
        let Ok(added) = fill(&plugin.permissions, &mut grants, &mut |port| {
            Some(suggestion(port).unwrap_or(*app.port_range.start()))
        }) else {
            continue;
        };
        if added {
            if !text.is_empty() {
                text.push('\n');
            }
            section(&mut text, &plugin.name, &plugin.permissions, &grants);
        }
    }
    text
}

/// See [`App::grant_all`].
pub(super) fn grant_all(app: &mut App, free_port: &mut dyn FnMut() -> Option<u16>) -> Result<()> {
    let mut given = host_ports(app);
    let mut plugins = app.plugins.clone();
    for plugin in &mut plugins {
        let mut port = |_: &PortAsked| {
            // As many offers as there are ports: whoever offers one again and again has no other.
            let offered = (0..=u16::MAX).map_while(|_| free_port()).find(|port| !given.contains(port));
            given.extend(offered);
            offered
        };
        fill(&plugin.permissions, &mut plugin.grants, &mut port).map_err(|name| {
            Error::manifest(format!(
                "plugin `{}`: no port of this box is free for its port `{name}`; widen `port_range`, which is `{}-{}`",
                plugin.name,
                app.port_range.start(),
                app.port_range.end()
            ))
        })?;
    }
    app.plugins = plugins;
    Ok(())
}

/// Grants what is missing, whether anything was; the name of a port where there is none of this box for it.
fn fill(
    asks: &Permissions,
    grants: &mut Grants,
    host_port: &mut dyn FnMut(&PortAsked) -> Option<u16>,
) -> std::result::Result<bool, String> {
    let before = grants.clone();
    grants.pixels |= asks.pixels;
    grants.jpeg |= asks.jpeg;
    grants.models.extend(lacking(&asks.models, |model| before.models.contains(model)).cloned());
    grants.storage = grants.storage.or(asks.storage);
    for host in lacking(&asks.http, |host| before.http.iter().any(|one| one.url == host.url)) {
        grants.http.push(host.clone());
    }
    for port in lacking(&asks.ports, |port| before.ports.iter().any(|one| one.name == port.name)) {
        grants.ports.push(PortGranted {
            name: port.name.clone(),
            title: port.title.clone(),
            host_port: host_port(port).ok_or_else(|| port.name.clone())?,
            from: hosts::this_machine(),
            token: None,
            tls: None,
        });
    }
    Ok(*grants != before)
}

/// Those of `asked` that are not granted.
fn lacking<T>(asked: &[T], is_granted: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
    asked.iter().filter(move |one| !is_granted(one))
}

/// The ports of this box the app has.
fn host_ports(app: &App) -> BTreeSet<u16> {
    app.plugins.iter().flat_map(|plugin| &plugin.grants.ports).map(|port| port.host_port).collect()
}

/// Suggests ports of this box, no two the same: the vendor's number if it is in the range, else the first
/// one left. Whether another program has it is not known here.
fn suggestions(app: &App) -> impl FnMut(&PortAsked) -> Option<u16> {
    let mut given = host_ports(app);
    let range = app.port_range.clone();
    move |port| {
        let wanted = port.port.filter(|wanted| range.contains(wanted));
        let suggested = wanted.into_iter().chain(range.clone()).find(|port| !given.contains(port));
        given.extend(suggested);
        suggested
    }
}

/// The sections of a `deploy.toml` with these grants. Nothing in them needs escaping: names, hosts, numbers.
fn section(text: &mut String, plugin: &str, asks: &Permissions, grants: &Grants) {
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    line(&format!("[plugins.{plugin}.grants]"));
    if !grants.models.is_empty() {
        line(&format!("models = {}", list(&grants.models)));
    }
    if grants.pixels {
        line("pixels = true");
    }
    if grants.jpeg {
        line("jpeg = true");
    }
    if let (Some(asked), Some(granted)) = (asks.storage, grants.storage) {
        line(&format!("storage = {}", storage_toml(asked, granted)));
    }
    let host = |granted: &HttpHost| {
        let asked = asks.http.iter().find(|asked| asked.url == granted.url);
        asked.map(|asked| host_toml(asked, granted))
    };
    let hosts: Vec<String> = grants.http.iter().filter_map(host).collect();
    if !hosts.is_empty() {
        line(&format!("http = [{}]", hosts.join(", ")));
    }
    for port in &grants.ports {
        line(&format!("\n[[plugins.{plugin}.grants.ports]]"));
        line(&format!("name = \"{}\"", port.name));
        line(&format!("host_port = {}", port.host_port));
        if port.from != hosts::this_machine() {
            line(&format!("from = {}", list(&port.from)));
        }
        if port.token.is_some() {
            line("# keep your `token` here");
        }
        if port.tls.is_some() {
            line("# keep your `certificate` and `key` here");
        }
    }
}

fn storage_toml(asked: StorageQuota, granted: StorageQuota) -> String {
    let size = units::show_size(granted.bytes);
    if granted.entries == asked.entries {
        format!("\"{size}\"")
    } else {
        format!("{{ size = \"{size}\", entries = {} }}", granted.entries)
    }
}

fn host_toml(asked: &HttpHost, granted: &HttpHost) -> String {
    let mut keys = String::new();
    if granted.methods != asked.methods {
        let _ = write!(keys, ", methods = {}", list(&granted.methods));
    }
    if !granted.addresses.is_empty() && !matches!(granted.host, HostPattern::Address(_)) {
        let _ = write!(keys, ", addresses = {}", list(&granted.addresses));
    }
    if keys.is_empty() {
        format!("\"{}\"", granted.url)
    } else {
        format!("{{ url = \"{}\"{keys} }}", granted.url)
    }
}

fn list<T: ToString>(entries: &[T]) -> String {
    let entries: Vec<String> = entries.iter().map(|entry| format!("\"{}\"", entry.to_string())).collect();
    format!("[{}]", entries.join(", "))
}
