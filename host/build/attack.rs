//! One file of the suite: what it says of itself, and the component it becomes.

use serde::Deserialize;
use wasmparser::{Parser, ValidPayload, Validator};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Package, PackageName, Resolve, WorldId};

use crate::forms::{Form, forms};
use crate::{Broken, grown};

/// What a plugin's fields find around them.
const PRELUDE: &str = include_str!("prelude.wat");
/// The longest title a table has room for.
const LONGEST_TITLE: usize = 40;
/// The export only a plugin with ports has.
const HANDLE: &str = "wasi:http/incoming-handler@";

/// Exports that a file names without their interface, as functions that take and give nothing (`handle`: that
/// take what it is handed): the prelude does the rest.
const SHORT: &[&str] = &["configure", "on-frame", "on-stop", "handle"];

const GRANTS: &[&str] = &["storage", "http", "pixels", "jpeg", "models", "port"];
const WORLDS: &[&str] = &["plugin", "plugin-http"];
const GROWN: &[&str] = &["data", "code", "flow", "knot", "locals"];
/// What may stop an attack, besides `limit:NAME`.
const STOPPED: &[&str] = &[
    "deadline",
    "memory",
    "trap",
    "host",
    "load",
    "value",
    "cut",
    "dropped:events",
    "dropped:marks",
    "dropped:metrics",
];
const LIMITS: &[&str] = &[
    "memory",
    "cpu",
    "call_bytes",
    "handles",
    "log_lines",
    "events",
    "event_bytes",
    "marks",
    "metrics",
    "inferences",
    "storage_bytes",
    "storage_entries",
    "storage_writes",
    "http_requests",
    "http_concurrent",
    "http_bytes",
    "http_timeout",
];

/// What a file says of itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) title: String,
    /// The comment at its top.
    #[serde(skip)]
    pub(crate) tries: String,
    pub(crate) stopped: Vec<String>,
    #[serde(default)]
    pub(crate) grants: Vec<String>,
    pub(crate) server: Option<String>,
    #[serde(default = "plugin_world")]
    pub(crate) world: String,
    /// What of `grown.rs` makes the component, where it is too large to be kept in the binary.
    pub(crate) grown: Option<String>,
    /// Packages besides those of `wit/`.
    wit: Option<String>,
    /// The component breaks the rules of WebAssembly, and means to.
    #[serde(default)]
    invalid: bool,
}

fn plugin_world() -> String {
    "plugin".to_owned()
}

impl Header {
    /// Reads the `;;!` lines, which are TOML, and the comment above them.
    pub(crate) fn read(text: &str) -> Result<Self, Broken> {
        // As many lines, so that what is wrong is found where it is.
        let toml: Vec<_> = text.lines().map(|line| line.strip_prefix(";;!").unwrap_or("")).collect();
        let toml = toml.join("\n");
        let mut header: Header = toml::from_str(&toml)
            .map_err(|error| Broken::at(&toml, error.span().map_or(0, |span| span.start), error.message()))?;
        let wrong = |key: &str, words: String| {
            let at = toml.lines().position(|line| line.trim_start().starts_with(key));
            Broken { line: at.map_or(1, |line| line + 1), words }
        };
        let comment = |line: &str| Some(line.strip_prefix(";;")?.trim().to_owned());
        let above = text.lines().take_while(|line| !line.starts_with(";;!"));
        header.tries = above.map_while(comment).collect::<Vec<_>>().join(" ");
        if header.tries.is_empty() {
            let words = "the file begins with what it tries: `;; An endless loop in `on-frame`.`";
            return Err(Broken { line: 1, words: words.to_owned() });
        }
        if header.title.chars().count() > LONGEST_TITLE {
            return Err(wrong("title", format!("a title has at most {LONGEST_TITLE} characters")));
        }
        if header.stopped.is_empty() {
            return Err(wrong("stopped", "nothing may stop it".to_owned()));
        }
        for stopped in &header.stopped {
            match stopped.strip_prefix("limit:") {
                Some(limit) => known(limit, LIMITS),
                None => known(stopped, STOPPED),
            }
            .map_err(|words| wrong("stopped", words))?;
        }
        for (key, values, among) in [
            ("grants", &header.grants[..], GRANTS),
            ("world", std::slice::from_ref(&header.world), WORLDS),
            ("grown", header.grown.as_slice(), GROWN),
        ] {
            for value in values {
                known(value, among).map_err(|words| wrong(key, words))?;
            }
        }
        Ok(header)
    }
}

fn known(text: &str, among: &[&str]) -> Result<(), String> {
    match among.contains(&text) {
        true => Ok(()),
        false => Err(format!("`{text}` is none of `{}`", among.join("`, `"))),
    }
}

/// The component `text` becomes; `wit` are the packages of `wit/`.
pub(crate) fn component(text: &str, header: &Header, wit: &Resolve) -> Result<Vec<u8>, Broken> {
    let fields = forms(text)?;
    let (components, fields): (Vec<_>, Vec<_>) =
        fields.into_iter().partition(|form| form.head == "component");
    let component = match &components[..] {
        [] => plugin(text, &fields, header, wit)?,
        // A component of its own: it stands for itself.
        [component] if fields.is_empty() => alone(text, component)?,
        // Beside a plugin's fields: it is part of the plugin, and instantiated with it.
        [component] => grown::beside(&plugin(text, &fields, header, wit)?, &alone(text, component)?),
        [_, second, ..] => {
            return Err(Broken::at(text, second.span.start, "a file has one component; nest them"));
        }
    };
    let line = components.first().or(fields.first()).map_or(0, |form| form.span.start);
    match (Validator::new().validate_all(&component), header.invalid) {
        (Ok(_), false) | (Err(_), true) => Ok(component),
        (Ok(_), true) => Err(Broken::at(text, line, "it says that it is invalid, and it is not")),
        (Err(error), false) => Err(Broken::at(text, line, error.message())),
    }
}

fn alone(text: &str, form: &Form) -> Result<Vec<u8>, Broken> {
    wat::parse_str(placed(text, [(form, text[form.span.clone()].to_owned())])).map_err(|error| of_wat(&error))
}

/// Wraps fields of a core module, and makes a component of it.
fn plugin(text: &str, fields: &[Form], header: &Header, wit: &Resolve) -> Result<Vec<u8>, Broken> {
    let (resolve, world) = world(header, wit)?;
    let (imports, others): (Vec<&Form>, Vec<&Form>) = fields.iter().partition(|form| form.head == "import");
    let mut ids: Vec<String> = others.iter().filter_map(|form| form.id.clone()).collect();
    let mut exports = Vec::new();
    for (name, _) in others.iter().flat_map(|form| &form.exports) {
        if SHORT.contains(&name.as_str()) {
            ids.push(format!("${name}"));
        } else {
            exports.push(name.as_str());
        }
    }
    let prelude = forms(PRELUDE)?;
    let needed = |form: &&Form| {
        let exported =
            |name: &str| exports.contains(&name) || name.starts_with(HANDLE) && header.world == "plugin";
        form.id.as_ref().is_none_or(|id| !ids.contains(id))
            && !form.exports.iter().any(|(name, _)| exported(name))
    };
    let (prelude_imports, prelude): (Vec<&Form>, Vec<&Form>) =
        prelude.iter().filter(needed).partition(|form| form.head == "import");

    // Imports come first in a module. Every field of the file keeps its line within its part.
    let front = placed(text, imports.iter().map(|form| (*form, import(text, form, &resolve))));
    let back = placed(text, others.iter().map(|form| (*form, field(text, form))));
    let mut module = format!("(module\n{front}\n");
    let front_lines = 1..=lines(&front);
    for form in prelude_imports {
        module += &import(PRELUDE, form, &resolve);
    }
    for form in &prelude {
        module += &format!("\n{}", field(PRELUDE, form));
    }
    let back_begins = lines(&module);
    module += &format!("\n{back}\n)");
    let mut module = wat::parse_str(&module).map_err(|error| {
        let broken = of_wat(&error);
        match broken.line {
            line if front_lines.contains(&line.saturating_sub(1)) => Broken { line: line - 1, ..broken },
            line if line > back_begins => Broken { line: (line - back_begins).min(lines(text)), ..broken },
            line => {
                Broken { line: 1, words: format!("line {line} of it with its prelude: {}", broken.words) }
            }
        }
    })?;
    let is_function = |form: &&&Form| form.head == "func";
    validate(
        &module,
        text,
        prelude.iter().filter(is_function).count(),
        others.iter().filter(is_function).copied(),
    )?;
    let encode = |module: &mut Vec<u8>| {
        embed_component_metadata(module, &resolve, world, StringEncoding::UTF8, false)?;
        ComponentEncoder::default().validate(true).module(module)?.encode()
    };
    encode(&mut module).map_err(|error| {
        let words = format!("{error:#}");
        // It names the import that does not fit the WIT.
        let named = |form: &&&Form| {
            let [module, name] = [0, 1].map(|at| form.strings.get(at).map_or("", |span| &text[span.clone()]));
            words.contains(&format!("{module}@")) && words.contains(&format!("::{name}`"))
        };
        let first = imports.iter().find(named).copied().or(fields.first());
        Broken::at(text, first.map_or(0, |form| form.span.start), &words)
    })
}

/// The forms with what is to stand for each, on the line it has in `text`.
fn placed<'a>(text: &str, forms: impl IntoIterator<Item = (&'a Form, String)>) -> String {
    let mut placed = String::new();
    for (form, field) in forms {
        let missing = lines(&text[..form.span.start]).saturating_sub(lines(&placed));
        placed += &"\n".repeat(missing);
        placed += &field;
    }
    placed
}

/// How many lines there are, one begun included.
fn lines(text: &str) -> usize {
    text.matches('\n').count() + 1
}

/// `(func (export "on-frame") …)` becomes `(func $on-frame …)`, which the prelude exports.
fn field(text: &str, form: &Form) -> String {
    let mut field = text[form.span.clone()].to_owned();
    for (name, span) in form.exports.iter().rev().filter(|(name, _)| SHORT.contains(&name.as_str())) {
        field.replace_range(span.start - form.span.start..span.end - form.span.start, &format!("${name}"));
    }
    field
}

/// An import with the version of its package, where it names none and the package is known.
fn import(text: &str, form: &Form, resolve: &Resolve) -> String {
    let mut field = text[form.span.clone()].to_owned();
    let Some(module) = form.strings.first() else { return field };
    let name = &text[module.clone()];
    let package = name.split('/').next().unwrap_or(name);
    let known = resolve.packages.iter().find(|(_, known)| {
        format!("{}:{}", known.name.namespace, known.name.name) == package && known.name.version.is_some()
    });
    if let (Some((_, Package { name: PackageName { version: Some(version), .. }, .. })), false) =
        (known, name.contains('@'))
    {
        field.insert_str(module.end - form.span.start, &format!("@{version}"));
    }
    field
}

/// The world a plugin of this kind may have been built for: all of WASI, whatever the host has of it.
fn world(header: &Header, wit: &Resolve) -> Result<(Resolve, WorldId), Broken> {
    let mut resolve = wit.clone();
    let broken = |error: &dyn std::fmt::Display| Broken { line: 1, words: format!("{error:#}") };
    if let Some(more) = &header.wit {
        resolve.push_str("the file's `wit`", more).map_err(|error| broken(&error))?;
    }
    let (app, _) =
        wit.packages.iter().find(|(_, package)| package.name.namespace == "transom").expect("it is there");
    let mut world =
        format!("package transom:hostile;\nworld attack {{\ninclude transom:app/{}", header.world);
    world += &format!("@{};\n", wit.packages[app].name.version.as_ref().expect("it has one"));
    for package in resolve.packages.iter().filter(|(id, _)| *id != app).map(|(_, package)| package) {
        for interface in package.interfaces.keys() {
            world += &format!("import {};\n", package.name.interface_id(interface));
        }
    }
    let package = resolve.push_str("the suite's world", &(world + "}")).map_err(|error| broken(&error))?;
    let world = resolve.select_world(&[package], None).map_err(|error| broken(&error))?;
    Ok((resolve, world))
}

/// Checks a core module, the first `prelude` of whose functions are not of the file.
fn validate<'a>(
    module: &[u8],
    text: &str,
    prelude: usize,
    mut functions: impl Iterator<Item = &'a Form>,
) -> Result<(), Broken> {
    let broken = |at: usize, error: &wasmparser::BinaryReaderError| Broken::at(text, at, error.message());
    let mut validator = Validator::new();
    let mut number = 0;
    for payload in Parser::new(0).parse_all(module) {
        let payload =
            payload.and_then(|payload| validator.payload(&payload)).map_err(|error| broken(0, &error))?;
        if let ValidPayload::Func(function, body) = payload {
            let begins =
                if number < prelude { 0 } else { functions.next().map_or(0, |form| form.span.start) };
            function
                .into_validator(Default::default())
                .validate(&body)
                .map_err(|error| broken(begins, &error))?;
            number += 1;
        }
    }
    Ok(())
}

/// What `wat` says, on one line.
fn of_wat(error: &wat::Error) -> Broken {
    let text = error.to_string();
    let mut said = text.lines();
    let words = said.next().unwrap_or_default().to_owned();
    // The second line is `--> FILE:LINE:COLUMN`.
    let line = said.next().and_then(|place| place.rsplit(':').nth(1)).and_then(|line| line.parse().ok());
    Broken { line: line.unwrap_or(1), words }
}
