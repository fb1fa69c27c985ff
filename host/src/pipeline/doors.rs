//! What a plugin was granted beyond its frames, made ready: models to ask, storage, a way out, ports.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::runtime::Runtime;

use crate::base::{Error, Result};
use crate::manifest::{self, App, Grants, HttpHost};
use crate::model::{Asker, Model};
use crate::plugin::egress::{self, Egress, EgressLimits, HostGrant, HostPattern, Scheme};
use crate::plugin::ports::{Listener, PortConfig, PortLimits, PortReport, Ports, Requests, tls_server};
use crate::plugin::storage::{Quota, Storage};
use crate::plugin::{self, Evidence, Linked};

use super::{Member, Options, Surroundings, ask, param, streams};

/// The doors of a run: what its plugins share, and the ports that are open.
pub(super) struct Doors {
    ports: Arc<Ports>,
    /// For the listeners; there where a port was granted.
    runtime: Option<Runtime>,
    /// With the app and plugin they are for.
    listeners: Vec<(Arc<str>, Arc<str>, Listener)>,
}

/// What of the interfaces is linked for such grants.
pub(super) fn linked(grants: &Grants) -> Linked {
    Linked {
        pixels: grants.pixels,
        jpeg: grants.jpeg,
        models: !grants.models.is_empty(),
        storage: grants.storage.is_some(),
        http: !grants.http.is_empty(),
        ports: !grants.ports.is_empty(),
    }
}

impl Doors {
    pub(super) fn new(members: &[Member]) -> Result<Self> {
        let any = members
            .iter()
            .flat_map(|member| &member.app.plugins)
            .any(|plugin| !plugin.grants.ports.is_empty());
        let runtime = || {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .max_blocking_threads(2)
                .thread_name("ports")
                .enable_all()
                .build()
                .map_err(|error| Error::internal(format!("the ports cannot be served: {error}")))
        };
        Ok(Self {
            // Each app has its own range of them.
            ports: Ports::new(1..=u16::MAX),
            runtime: any.then(runtime).transpose()?,
            listeners: Vec::new(),
        })
    }

    /// All a plugin is given.
    pub(super) fn setup(
        &self,
        app: &App,
        manifest: &manifest::Plugin,
        (models, asker): (&[Arc<Model>], &Asker),
        options: Options,
        live: bool,
        surroundings: &Surroundings,
    ) -> Result<plugin::Setup> {
        let named = |name: &String| {
            let at = app.models.iter().position(|model| model.name == *name);
            let at = at.expect("a checked manifest names only its own models");
            (name.clone(), Arc::clone(&models[at]))
        };
        let asked: Vec<(String, Arc<Model>)> = manifest.grants.models.iter().map(named).collect();
        Ok(plugin::Setup {
            app: app.name.as_str().into(),
            name: manifest.name.as_str().into(),
            params: app
                .params
                .iter()
                .filter(|param| manifest.params.contains(&param.name))
                .map(param)
                .collect(),
            cameras: streams(app, manifest),
            models: asked
                .iter()
                .map(|(name, model)| plugin::ModelInfo {
                    name: name.clone(),
                    labels: model.labels().to_vec(),
                })
                .collect(),
            ask: Arc::new(ask::Asked {
                models: asked.into_iter().map(|(_, model)| model).collect(),
                asker: asker.clone(),
            }),
            limits: limits(&manifest.limits),
            live,
            storage: storage(app, manifest, surroundings)?,
            egress: self.egress(app, manifest, surroundings)?,
            evidence: app.evidence.as_deref().map(Evidence::open).transpose()?.map(Arc::new),
            watched: match &surroundings.view {
                Some(view) => view.watched(),
                None => Arc::new(AtomicBool::new(options.marks)),
            },
            clock: surroundings.clock,
            notices: surroundings.notices.clone(),
        })
    }

    fn egress(
        &self,
        app: &App,
        manifest: &manifest::Plugin,
        surroundings: &Surroundings,
    ) -> Result<Option<Arc<Egress>>> {
        if manifest.grants.http.is_empty() {
            return Ok(None);
        }
        let tls = egress::tls_config(&app.roots)?;
        let grants = manifest.grants.http.iter().map(host).collect();
        let limits = EgressLimits {
            requests: manifest.limits.http_requests,
            concurrent: manifest.limits.http_concurrent,
            body_bytes: manifest.limits.http_bytes,
            timeout: manifest.limits.http_timeout,
        };
        let notices = surroundings.notices.clone();
        let whose = format!("plugin `{}` of app `{}`", manifest.name, app.name);
        let audit: egress::Audit = Arc::new(move |denial| {
            let at = denial.address.map_or_else(String::new, |address: IpAddr| format!(" ({address})"));
            notices
                .warn(format!("{whose}: a request to {}{at} was denied: {}", denial.url_host, denial.reason));
        });
        let resolver = Arc::clone(&surroundings.resolver);
        let egress = Egress::new(
            grants,
            limits,
            resolver,
            tls,
            audit,
            surroundings.clock,
            surroundings.shutdown.clone(),
        );
        Ok(Some(Arc::new(egress)))
    }

    /// Opens the ports granted to a plugin that has started.
    pub(super) fn open(
        &mut self,
        app: &App,
        manifest: &manifest::Plugin,
        requests: &Arc<Requests>,
        Surroundings { clock, notices, .. }: &Surroundings,
    ) -> Result<()> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let limits = &manifest.limits;
        let ports = self.ports.within(app.port_range.clone());
        for port in &manifest.grants.ports {
            let tls = port.tls.as_ref().map(|tls| tls_server(&tls.certificate, &tls.key)).transpose()?;
            let config = PortConfig {
                app: app.name.as_str().into(),
                plugin: manifest.name.as_str().into(),
                name: port.name.as_str().into(),
                host_port: port.host_port,
                from: port.from.clone(),
                token: port.token.clone(),
                tls,
                limits: PortLimits {
                    requests: limits.port_requests,
                    connections: limits.port_connections,
                    body_bytes: limits.port_bytes,
                    timeout: limits.port_timeout,
                },
            };
            let shown = format!("`{}` of plugin `{}` of app `{}`", port.name, manifest.name, app.name);
            let listener = Listener::open(&ports, config, Arc::clone(requests), runtime.handle(), *clock)?;
            notices.info(format!(
                "port {shown} answers at {}://{}/",
                if port.tls.is_some() { "https" } else { "http" },
                listener.addr()
            ));
            self.listeners.push((app.name.as_str().into(), manifest.name.as_str().into(), listener));
        }
        Ok(())
    }

    /// Closes the ports; what came to each, with its app and plugin.
    pub(super) fn close(self) -> Vec<(Arc<str>, Arc<str>, PortReport)> {
        self.listeners.into_iter().map(|(app, plugin, listener)| (app, plugin, listener.report())).collect()
    }
}

fn host(host: &HttpHost) -> HostGrant {
    HostGrant {
        scheme: match host.scheme {
            manifest::Scheme::Http => Scheme::Http,
            manifest::Scheme::Https => Scheme::Https,
        },
        host: match &host.host {
            manifest::HostPattern::Name(name) => HostPattern::Name(name.clone()),
            manifest::HostPattern::AnyUnder(suffix) => HostPattern::AnyUnder(suffix.clone()),
            manifest::HostPattern::Address(address) => HostPattern::Address(*address),
        },
        port: host.port,
        methods: host.methods.iter().filter_map(|method| method.parse().ok()).collect(),
        addresses: host.addresses.clone(),
    }
}

fn storage(
    app: &App,
    manifest: &manifest::Plugin,
    surroundings: &Surroundings,
) -> Result<Option<Arc<Storage>>> {
    let Some(quota) = manifest.grants.storage else { return Ok(None) };
    let Some(state) = &surroundings.state else {
        return Err(Error::usage(
            "it was granted storage, and there is no place for it; give `--state FOLDER`",
        ));
    };
    let folder = state.join("apps").join(&app.name).join(&manifest.name);
    let quota = Quota { bytes: quota.bytes, entries: quota.entries };
    Ok(Some(Arc::new(Storage::open(&folder, quota)?)))
}

fn limits(limits: &manifest::Limits) -> plugin::Limits {
    plugin::Limits {
        memory_bytes: limits.memory_bytes,
        deadline: limits.deadline,
        cpu: limits.cpu,
        call_bytes: limits.call_bytes,
        handles: limits.handles,
        log_lines: limits.log_lines,
        events: limits.events,
        event_bytes: limits.event_bytes,
        marks: limits.marks,
        metrics: limits.metrics,
        inferences: limits.inferences,
        storage_writes: limits.storage_writes,
        http_requests: limits.http_requests,
        http_concurrent: limits.http_concurrent,
        http_bytes: limits.http_bytes,
        http_timeout: limits.http_timeout,
        port_bytes: limits.port_bytes,
    }
}
