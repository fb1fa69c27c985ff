//! From what was written to what it means: references resolved, defaults filled, the owner's file and the
//! command line applied. Goes on after a mistake, so that all of them are told at once.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::document::{self, Document, join};
use super::machine::Machine;
use super::params::Takes;
use super::permissions::{Asked, Owner};
use super::report::{Report, instead, quoted};
use super::written::{
    AppFile, At, BuildWritten, CameraSection, DeployCamera, DeployFile, Name, PluginSection, in_order,
};
use super::{
    App, Build, Camera, DEFAULT_PORT_RANGE, Events, Grants, Inference, Limits, ModelRef, Overrides, Param,
    Plugin, Source, inference, limits, permissions, schema, source, units,
};
use crate::base::{Error, Result};

pub(super) fn load(
    path: &Path,
    deploy: Option<&Path>,
    overrides: &Overrides,
    machine: &Machine,
) -> Result<App> {
    let file = find(path)?;
    let beside = document::folder_of(&file).join("deploy.toml");
    // A link that leads nowhere is a mistake to be told, not an absent file.
    let deploy = deploy.or_else(|| fs::symlink_metadata(&beside).is_ok().then_some(beside.as_path()));

    let mut report = Report::default();
    let app = document::read::<AppFile>(&file, &schema::APP, &mut report);
    let deploy = deploy.map(|path| document::read::<DeployFile>(path, &schema::DEPLOY, &mut report));
    let app = match (app, deploy) {
        // What a file that cannot be read would have said is anyone's guess.
        (None, _) | (_, Some(None)) => None,
        (Some(app), deploy) => Check {
            app: &app,
            deploy: deploy.flatten().as_ref(),
            overrides,
            machine,
            port_range: DEFAULT_PORT_RANGE,
            host_ports: BTreeMap::new(),
            report: &mut report,
        }
        .app(&file),
    };
    report.finish()?;
    app.ok_or_else(|| Error::internal("a manifest without mistakes gave no app"))
}

/// The `app.toml` meant by `path`.
pub(super) fn find(path: &Path) -> Result<PathBuf> {
    let shown = || quoted(&path.to_string_lossy());
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let file = path.join("app.toml");
            if fs::symlink_metadata(&file).is_err() {
                return Err(Error::manifest(format!(
                    "the folder {} has no `app.toml`; give an app's folder or its `app.toml`",
                    shown()
                )));
            }
            Ok(file)
        }
        Ok(_) => Ok(path.to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::manifest(format!("{} is not there; give an app's folder or its `app.toml`", shown())))
        }
        Err(error) => Err(Error::manifest(format!("{} cannot be read: {error}", shown()))),
    }
}

struct Check<'a> {
    app: &'a Document<AppFile>,
    deploy: Option<&'a Document<DeployFile>>,
    overrides: &'a Overrides,
    machine: &'a Machine,
    port_range: RangeInclusive<u16>,
    /// The ports of this box that are given away, each with what has it.
    host_ports: BTreeMap<u16, String>,
    report: &'a mut Report,
}

impl<'a> Check<'a> {
    /// The app; worth something only if the report stays empty.
    fn app(&mut self, file: &Path) -> Option<App> {
        self.references_from_outside();
        let cameras = self.cameras();
        let models = self.models();
        let params = self.params();
        self.port_range = self.port_range();
        let plugins = self.plugins();
        let events = self.events();
        let (app, id) = (self.app.written.app.as_ref()?, self.app.file);
        if !units::is_app_name(&app.name) {
            let what = format!(
                "{} cannot name an app; a name is 1 to 64 of a-z, 0-9 and `-`, first a letter",
                quoted(&app.name)
            );
            self.report.at(id, app.name.at(), what);
        }
        let version = match semver::Version::parse(&app.version) {
            Ok(version) => Some(version),
            Err(error) => {
                let what = format!("{} is no version ({error}); write it as `1.0.0`", quoted(&app.version));
                self.report.at(id, app.version.at(), what);
                None
            }
        };
        Some(App {
            name: app.name.clone(),
            version: version?,
            title: app.title.clone(),
            description: text_or(app.description.as_ref(), ""),
            folder: self.app.folder.clone(),
            file: file.to_owned(),
            cameras,
            models,
            params,
            plugins,
            events,
            port_range: self.port_range.clone(),
            roots: self.roots(),
            evidence: self.evidence(),
            onnxruntime: self.onnxruntime(),
        })
    }

    /// Names in `deploy.toml` and on the command line that the app does not have.
    fn references_from_outside(&mut self) {
        let overrides = self.overrides;
        let models = overrides.models.iter().map(|(name, _)| ("models", name));
        let flags = overrides.cameras.iter().map(|(name, _)| ("cameras", name));
        for (section, name) in
            flags.chain(models).chain(overrides.params.iter().map(|(name, _)| ("params", name)))
        {
            if let Some(known) = self.lacks(section, name) {
                let what = singular(section);
                self.report.flag(
                    format!("--{what} {name}"),
                    format!("the app has no such {what}; {}", instead("it", name, &known)),
                );
            }
        }
        let Some(deploy) = self.deploy else { return };
        let written = &deploy.written;
        let named = (written.cameras.keys().map(|name| ("cameras", name)))
            .chain(written.models.keys().map(|name| ("models", name)))
            .chain(written.params.keys().map(|name| ("params", name)))
            .chain(written.plugins.keys().map(|name| ("plugins", name)));
        for (section, name) in named {
            if let Some(known) = self.lacks(section, &name.0) {
                let what = singular(section);
                let instead = instead("it", &name.0, &known);
                self.report.at(
                    deploy.file,
                    name.at(),
                    format!("the app has no {what} {}; {instead}", quoted(&name.0)),
                );
            }
        }
    }

    /// What the app has instead, if it has no item `name` in `section`.
    fn lacks(&self, section: &str, name: &str) -> Option<Vec<&'a str>> {
        let app = self.app;
        let known = app.names(section);
        // An app without any camera or plugin has been told so; everything else is a consequence.
        let is_told = known.is_empty() && matches!(section, "cameras" | "plugins");
        (!is_told && !known.contains(&name)).then_some(known)
    }

    fn cameras(&mut self) -> Vec<Camera> {
        let app = self.app;
        in_order(&app.written.cameras).into_iter().map(|(name, written)| self.camera(name, written)).collect()
    }

    fn camera(&mut self, name: &At<Name>, written: &CameraSection) -> Camera {
        let mut sources = Vec::new();
        // A source with a mistake is told as such, not also as absent.
        let mut is_given = false;
        if let Some(deploy) = self.deploy {
            is_given = deploy.names("cameras").contains(&name.0.as_str());
            if let Some(camera) = deploy.written.cameras.get(name) {
                sources = self.deployed_sources(&name.0, camera, deploy);
            }
        }
        let typed: Vec<&str> = self
            .overrides
            .cameras
            .iter()
            .filter(|(of, _)| *of == name.0)
            .map(|(_, typed)| typed.as_str())
            .collect();
        if !typed.is_empty() {
            is_given = true;
            sources.clear();
        }
        for typed in typed {
            match source::parse(typed, Path::new(".")) {
                Ok(source) => sources.push(source),
                Err(what) => self.report.flag(format!("--camera {}", name.0), what),
            }
        }
        if !is_given && !self.overrides.to_look_at {
            let what = format!(
                "camera `{0}` has no source; give `--camera {0}=SOURCE`, or `source` in `deploy.toml`",
                name.0
            );
            self.report.at(self.app.file, name.at(), what);
        }
        Camera {
            name: name.0.clone(),
            title: text_or(written.title.as_ref(), &name.0),
            max_fps: written.max_fps.as_deref().copied(),
            sources,
        }
    }

    fn deployed_sources(
        &mut self,
        name: &str,
        camera: &DeployCamera,
        deploy: &Document<DeployFile>,
    ) -> Vec<Source> {
        let typed: Vec<&At<String>> = match (&camera.source, &camera.sources) {
            (Some(one), None) => vec![one],
            (None, Some(several)) => several.iter().collect(),
            (Some(_), Some(several)) => {
                let what = format!("camera `{name}` has both `source` and `sources`; keep one");
                self.report.at(deploy.file, several.at(), what);
                return Vec::new();
            }
            (None, None) => {
                let at = deploy.written.cameras.keys().find(|key| key.0 == name).map_or(0, At::at);
                let what = format!("camera `{name}` has neither `source` nor `sources`; add `source`");
                self.report.at(deploy.file, at, what);
                return Vec::new();
            }
        };
        let login = [("username", &camera.username), ("password", &camera.password)];
        let mut sources = Vec::new();
        for typed in typed {
            let mut source = match source::parse(typed, &deploy.folder) {
                Ok(source) => source,
                Err(what) => {
                    self.report.at(deploy.file, typed.at(), format!("camera `{name}`: {what}"));
                    continue;
                }
            };
            for (key, given) in login {
                let Some(given) = given else { continue };
                if !source.location.starts_with("rtsp://") {
                    let what = format!("camera `{name}`: `{key}` is for `rtsp://` sources; leave it out");
                    self.report.at(deploy.file, given.at(), what);
                } else if source.username.is_some() {
                    let what =
                        format!("camera `{name}`: its source has a login as well as `{key}`; keep one");
                    self.report.at(deploy.file, given.at(), what);
                }
            }
            if source.username.is_none() {
                source.username = camera.username.as_deref().cloned();
                source.password = camera.password.as_deref().map(crate::base::Secret::new);
            }
            sources.push(source);
        }
        if let (None, Some(password)) = (&camera.username, &camera.password) {
            let what = format!("camera `{name}` has a `password` and no `username`; add it");
            self.report.at(deploy.file, password.at(), what);
        }
        sources
    }

    fn models(&mut self) -> Vec<ModelRef> {
        let app = self.app;
        let model = |(name, written): (&At<Name>, &super::written::ModelSection)| {
            let mut path = join(&app.folder, &written.path);
            let mut inference = Inference::default();
            if let Some(deploy) = self.deploy
                && let Some(model) = deploy.written.models.get(name)
            {
                if let Some(other) = &model.path {
                    path = join(&deploy.folder, other);
                }
                inference = inference::check(&name.0, model, deploy, self.report);
            }
            if let Some((_, folder)) = self.overrides.models.iter().rev().find(|(of, _)| *of == name.0) {
                path.clone_from(folder);
            }
            ModelRef { name: name.0.clone(), path, inference }
        };
        in_order(&app.written.models).into_iter().map(model).collect()
    }

    fn params(&mut self) -> Vec<Param> {
        let mut params = Vec::new();
        let app = self.app;
        for (name, written) in in_order(&app.written.params) {
            let Some(takes) = Takes::from_written(name, written, app.file, self.report) else { continue };
            let mut value = None;
            let mut is_given = false;
            if let Some(default) = &written.default {
                is_given = true;
                match takes.value(default) {
                    Ok(default) => value = Some(default),
                    Err(what) => {
                        let what = format!("the default of param `{}` is {what}", name.0);
                        self.report.at(app.file, default.at(), what);
                    }
                }
            }
            if let Some(deploy) = self.deploy {
                is_given |= deploy.names("params").contains(&name.0.as_str());
                if let Some(set) = deploy.written.params.get(name) {
                    match takes.value(set) {
                        Ok(set) => value = Some(set),
                        Err(what) => {
                            self.report.at(deploy.file, set.at(), format!("param `{}` is {what}", name.0));
                        }
                    }
                }
            }
            for (_, text) in self.overrides.params.iter().filter(|(of, _)| *of == name.0) {
                is_given = true;
                match takes.parse(text) {
                    Ok(set) => value = Some(set),
                    Err(what) => {
                        self.report.flag(format!("--param {}", name.0), format!("the value is {what}"));
                    }
                }
            }
            if !is_given && !self.overrides.to_look_at {
                let what = format!(
                    "param `{0}` has no value and no default; give `--param {0}=VALUE`, or set it in `deploy.toml`",
                    name.0
                );
                self.report.at(app.file, name.at(), what);
            }
            params.extend(value.map(|value| Param {
                name: name.0.clone(),
                value,
                title: text_or(written.title.as_ref(), &name.0),
                description: text_or(written.description.as_ref(), ""),
            }));
        }
        params
    }

    fn plugins(&mut self) -> Vec<Plugin> {
        let app = self.app;
        in_order(&app.written.plugins).into_iter().map(|(name, written)| self.plugin(name, written)).collect()
    }

    fn plugin(&mut self, name: &At<Name>, written: &PluginSection) -> Plugin {
        let (app, plugin) = (self.app, name.0.as_str());
        let all = |section| app.names(section).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let models = match &written.models {
            Some(names) => self.references(plugin, "models", names),
            None => Vec::new(),
        };
        let asked = permissions::asked(plugin, written, models.clone(), app.file, self.report);
        let grants = self.grants(name, &asked);
        Plugin {
            name: name.0.clone(),
            component: join(&app.folder, &written.component),
            build: written.build.as_ref().map(|build| self.build(build)),
            cameras: match &written.cameras {
                Some(names) => self.references(plugin, "cameras", names),
                None => all("cameras"),
            },
            models,
            params: match &written.params {
                Some(names) => self.references(plugin, "params", names),
                None => all("params"),
            },
            permissions: asked.permissions,
            grants,
            limits: self.limits(name, written),
        }
    }

    fn references(&mut self, plugin: &str, section: &str, names: &[At<String>]) -> Vec<String> {
        let what = singular(section);
        let mut seen = HashSet::new();
        for name in names {
            let shown = quoted(name);
            if let Some(known) = self.lacks(section, name) {
                let instead = instead("the app", name, &known);
                let what = format!("plugin `{plugin}` asks for {what} {shown}; {instead}");
                self.report.at(self.app.file, name.at(), what);
            } else if !seen.insert(name.as_str()) {
                let what = format!("plugin `{plugin}` asks for {what} {shown} twice; once is enough");
                self.report.at(self.app.file, name.at(), what);
            }
        }
        names.iter().map(|name| (**name).clone()).collect()
    }

    fn build(&self, written: &BuildWritten) -> Build {
        let here = &self.app.folder;
        let (command, folder, sources) = match written {
            BuildWritten::Command(command) => (command, None, None),
            BuildWritten::Table(build) => (&build.command, build.folder.as_ref(), build.sources.as_ref()),
        };
        let folder = folder.map_or_else(|| here.clone(), |folder| join(here, folder));
        let sources = match sources {
            Some(sources) => sources.iter().map(|source| join(here, source)).collect(),
            None => vec![folder.clone()],
        };
        Build { command: command.clone(), folder, sources }
    }

    fn limits(&mut self, name: &At<Name>, written: &PluginSection) -> Limits {
        let owners = self
            .deploy
            .and_then(|deploy| Some((deploy.file, deploy.written.plugins.get(name)?.limits.as_ref()?)));
        let vendors = (self.app.file, written.limits.as_ref());
        limits::Written { plugin: name, app: vendors, deploy: owners }.check(self.machine, self.report)
    }

    fn grants(&mut self, name: &At<Name>, asked: &Asked) -> Grants {
        let Some(deploy) = self.deploy else { return Grants::default() };
        let Some(written) = deploy.written.plugins.get(name).and_then(|plugin| plugin.grants.as_ref()) else {
            return Grants::default();
        };
        let mut owner = Owner { deploy, port_range: &self.port_range, host_ports: &mut self.host_ports };
        permissions::granted(&name.0, asked, written, &mut owner, self.report)
    }

    fn port_range(&mut self) -> RangeInclusive<u16> {
        let Some(deploy) = self.deploy else { return DEFAULT_PORT_RANGE };
        let Some(typed) = &deploy.written.port_range else { return DEFAULT_PORT_RANGE };
        units::port_range(typed).unwrap_or_else(|| {
            let what = format!(
                "`port_range` is {}; it takes two ports from 1024 to 65535, the lower first, as in `8000-9000`",
                quoted(typed)
            );
            self.report.at(deploy.file, typed.at(), what);
            // So that nothing is said of ports that may well be in the range that was meant.
            u16::MIN..=u16::MAX
        })
    }

    fn roots(&self) -> Vec<PathBuf> {
        let Some(deploy) = self.deploy else { return Vec::new() };
        deploy.written.roots.iter().flatten().map(|path| join(&deploy.folder, path)).collect()
    }

    fn onnxruntime(&self) -> Option<PathBuf> {
        let deploy = self.deploy?;
        deploy.written.onnxruntime.as_ref().map(|library| join(&deploy.folder, library))
    }

    fn evidence(&self) -> Option<PathBuf> {
        let deploy = self.deploy?;
        deploy.written.evidence.as_ref().map(|folder| join(&deploy.folder, folder))
    }

    fn events(&mut self) -> Option<Events> {
        if let Some(file) = &self.overrides.events {
            return Some(if file == "-" { Events::Stdout } else { Events::File(PathBuf::from(file)) });
        }
        let deploy = self.deploy?;
        let file = &deploy.written.events.as_ref()?.file;
        Some(if file.as_str() == "-" { Events::Stdout } else { Events::File(join(&deploy.folder, file)) })
    }
}

fn text_or(text: Option<&At<String>>, default: &str) -> String {
    text.map_or_else(|| default.to_owned(), |text| (**text).clone())
}

/// What one item of a section is called.
fn singular(section: &str) -> &str {
    section.strip_suffix('s').unwrap_or(section)
}
