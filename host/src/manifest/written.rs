//! The two files as they are typed: the one description from which serde reads them, the JSON Schema is
//! generated and [`shape`](super::shape) finds unknown keys and wrong types. The doc comments here are what
//! an editor shows.

use std::collections::BTreeMap;
use std::ops::Deref;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{hosts, limits, units};

/// The most items of a section and entries of a list: more than any app has, and little enough that a
/// hostile file cannot make comparing them slow.
const MAX_ITEMS: usize = 256;

/// A value with the byte it stands at.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub(super) struct At<T>(toml::Spanned<T>);

impl<T> At<T> {
    /// The first byte of the value in its file.
    pub(super) fn at(&self) -> usize {
        self.0.span().start
    }
}

impl<T> Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.get_ref()
    }
}

// To a schema the place is not there.
impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// The name of a camera, model, param or plugin.
#[derive(Deserialize, JsonSchema, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
#[schemars(inline)]
pub(super) struct Name(#[schemars(regex(pattern = units::NAME_PATTERN))] pub(super) String);

/// Items by name. [`in_order`] gives them as the file has them.
pub(super) type Items<T> = BTreeMap<At<Name>, T>;

/// `items` in the order of the file: a map forgets it, and readers expect it back.
pub(super) fn in_order<T>(items: &Items<T>) -> Vec<(&At<Name>, &T)> {
    let mut items: Vec<_> = items.iter().collect();
    items.sort_by_key(|(name, _)| name.at());
    items
}

/// What an app is: its plugins, and the cameras, models and params they need. Written by the vendor.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Transom app.toml", extend("required" = ["app", "cameras", "plugins"]))]
pub(super) struct AppFile {
    /// Who the app is.
    #[schemars(required)]
    pub(super) app: Option<AppSection>,
    /// The cameras the app asks for; the owner says which streams stand for them.
    #[serde(default)]
    #[schemars(extend("minProperties" = 1, "maxProperties" = MAX_ITEMS))]
    pub(super) cameras: Items<CameraSection>,
    /// The models the app brings.
    #[serde(default)]
    #[schemars(extend("maxProperties" = MAX_ITEMS))]
    pub(super) models: Items<ModelSection>,
    /// What the owner may set.
    #[serde(default)]
    #[schemars(extend("maxProperties" = MAX_ITEMS))]
    pub(super) params: Items<ParamSection>,
    /// The app's logic: WebAssembly components.
    #[serde(default)]
    #[schemars(extend("minProperties" = 1, "maxProperties" = MAX_ITEMS))]
    pub(super) plugins: Items<PluginSection>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppSection {
    /// The app's name, unique on a box: 1 to 64 of a-z, 0-9 and `-`, first a letter.
    #[schemars(regex(pattern = units::APP_NAME_PATTERN), example = "people-counter")]
    pub(super) name: At<String>,
    /// The app's version, by the rules of semantic versioning.
    #[schemars(regex(pattern = units::VERSION_PATTERN), example = "1.0.0")]
    pub(super) version: At<String>,
    /// The app's name for people.
    #[schemars(length(min = 1, max = 100), example = "People counter")]
    pub(super) title: At<String>,
    /// What the app does, for people.
    #[schemars(length(max = 4000))]
    pub(super) description: Option<At<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CameraSection {
    /// What the camera should look at, for people. Default: its name.
    #[schemars(length(min = 1, max = 100), example = "Entrance camera")]
    pub(super) title: Option<At<String>>,
    /// The most frames a second the app wants of each stream, over 0. Default: all.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1000), example = 10)]
    pub(super) max_fps: Option<At<f64>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelSection {
    /// The folder of the model's `model.toml`, from this file's folder.
    #[schemars(length(min = 1), example = "../../models/person")]
    pub(super) path: At<String>,
}

/// The type of a param.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum ParamType {
    /// A number.
    Float,
    /// A whole number.
    Integer,
    /// Text.
    Text,
    /// `true` or `false`.
    Boolean,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ParamSection {
    /// What kind of value it takes.
    #[schemars(example = &"float")]
    pub(super) r#type: At<ParamType>,
    /// Its value where nobody sets it. Without a default the owner must set it.
    pub(super) default: Option<At<Scalar>>,
    /// The least value; for floats and integers.
    pub(super) min: Option<At<Number>>,
    /// The greatest value; for floats and integers.
    pub(super) max: Option<At<Number>>,
    /// The only values it takes; for text.
    #[schemars(length(min = 1, max = MAX_ITEMS), example = ["in", "out"])]
    pub(super) choices: Option<At<Vec<At<String>>>>,
    /// The most characters; for text. Default: 4096.
    #[schemars(range(min = 1, max = 65536))]
    pub(super) max_length: Option<At<u32>>,
    /// Its name for people. Default: its name.
    #[schemars(length(min = 1, max = 100), example = "Confidence threshold")]
    pub(super) title: Option<At<String>>,
    /// What it does, for people.
    #[schemars(length(max = 4000))]
    pub(super) description: Option<At<String>>,
}

/// The value of a param.
#[derive(Deserialize, JsonSchema, Clone, PartialEq)]
#[serde(untagged)]
#[schemars(inline, transform = scalar_types)]
pub(super) enum Scalar {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Boolean(value) => value.fmt(f),
            Scalar::Integer(value) => value.fmt(f),
            Scalar::Float(value) => value.fmt(f),
            Scalar::Text(value) => value.fmt(f),
        }
    }
}

fn scalar_types(schema: &mut schemars::Schema) {
    *schema = schemars::json_schema!({ "type": ["number", "string", "boolean"] });
}

/// A bound of a param.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(untagged)]
#[schemars(inline, transform = number_type)]
pub(super) enum Number {
    Integer(i64),
    Float(f64),
}

fn number_type(schema: &mut schemars::Schema) {
    *schema = schemars::json_schema!({ "type": "number" });
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginSection {
    /// The WebAssembly component, from this file's folder.
    #[schemars(length(min = 1), example = "counter.wasm")]
    pub(super) component: At<String>,
    /// How the component is built, on the vendor's machine only: a command line run in this file's folder,
    /// or a table that also says where it runs and what it reads.
    pub(super) build: Option<At<BuildWritten>>,
    /// Names of the cameras it watches. Default: all.
    #[schemars(length(min = 1, max = MAX_ITEMS), example = ["entrance"])]
    pub(super) cameras: Option<Vec<At<String>>>,
    /// Names of the models it asks; the owner has to grant each. Default: none.
    #[schemars(length(max = MAX_ITEMS), example = ["person"])]
    pub(super) models: Option<Vec<At<String>>>,
    /// Names of the params it is told. Default: all.
    #[schemars(length(max = MAX_ITEMS), example = ["threshold"])]
    pub(super) params: Option<Vec<At<String>>>,
    /// What else it asks the owner for.
    pub(super) permissions: Option<PermissionsSection>,
    /// Where it asks to be asked: HTTP requests from outside.
    #[schemars(length(max = MAX_ITEMS))]
    pub(super) ports: Option<Vec<PortSection>>,
    /// What it may use.
    pub(super) limits: Option<LimitsSection>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PermissionsSection {
    /// To read the pixels of the cameras it watches. Default: `false`.
    pub(super) pixels: Option<bool>,
    /// To take JPEG pictures of the cameras it watches. Default: `false`.
    pub(super) jpeg: Option<bool>,
    /// To keep values that outlive it: a size, or a table that also says how many. Default: nothing.
    pub(super) storage: Option<At<StorageWritten>>,
    /// To send HTTP requests to these hosts, each `scheme://host[:port]` or a table that also says which
    /// methods. A host that begins with `*.` stands for all names under it. Default: none.
    #[schemars(length(max = MAX_ITEMS), example = ["https://api.example.com"])]
    pub(super) http: Option<Vec<At<HttpAskWritten>>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum StorageWritten {
    Size(#[schemars(regex(pattern = units::SIZE_PATTERN), example = "1MiB")] String),
    Table(StorageSection),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StorageSection {
    /// Keys and values together: `KiB`, `MiB` or `GiB`, from `1KiB` to `16GiB`.
    #[schemars(regex(pattern = units::SIZE_PATTERN), example = "1MiB")]
    pub(super) size: String,
    /// How many keys. Default: in `app.toml` 1000, in `deploy.toml` as many as the app asks for.
    #[schemars(range(min = 1, max = 1_000_000), example = 1000)]
    pub(super) entries: Option<u32>,
}

/// An HTTP method.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(inline)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
}

impl Method {
    pub(super) const ALL: [Method; 6] =
        [Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Patch];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum HttpAskWritten {
    Url(
        #[schemars(regex(pattern = hosts::HOST_PATTERN), example = "https://api.example.com")]
        String,
    ),
    Table(HttpAskSection),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpAskSection {
    /// The host, as `scheme://host[:port]`.
    #[schemars(regex(pattern = hosts::HOST_PATTERN), example = "https://api.example.com")]
    pub(super) url: String,
    /// The methods of its requests. Default: all of them.
    #[schemars(length(min = 1, max = MAX_ITEMS), example = ["GET", "POST"])]
    pub(super) methods: Option<Vec<Method>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PortSection {
    /// The app's name for the port.
    #[schemars(regex(pattern = units::NAME_PATTERN), example = &"status")]
    pub(super) name: At<String>,
    /// The number the vendor knows it by; the owner chooses the one that is opened.
    #[schemars(range(min = 1), example = 80)]
    pub(super) port: Option<u16>,
    /// What answers there, for people. Default: its name.
    #[schemars(length(min = 1, max = 100), example = "Status page")]
    pub(super) title: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum BuildWritten {
    Command(#[schemars(length(min = 1), example = "cargo build --release --target wasm32-wasip2")] String),
    Table(BuildSection),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildSection {
    /// A command line for `sh -c`.
    #[schemars(length(min = 1), example = "cargo build --release --target wasm32-wasip2")]
    pub(super) command: String,
    /// The folder it runs in, from this file's folder. Default: this file's folder.
    #[schemars(length(min = 1), example = "../../guest-examples")]
    pub(super) folder: Option<String>,
    /// Files and folders the component is made of, from this file's folder: it is built again when one of
    /// them has changed. Default: the folder the command runs in.
    #[schemars(length(min = 1, max = MAX_ITEMS), example = ["src", "Cargo.toml"])]
    pub(super) sources: Option<Vec<String>>,
}

/// Limits by their keys, which [`limits`] knows.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct LimitsSection(pub(super) BTreeMap<String, At<Scalar>>);

impl JsonSchema for LimitsSection {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LimitsSection".into()
    }
    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::Schema::try_from(limits::schema()).expect("it is a JSON object")
    }
}

/// How an app runs on this box: its cameras, its params, what it is granted, tighter limits. Written by the
/// owner.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Transom deploy.toml")]
pub(super) struct DeployFile {
    /// The ports of this box that plugins may be given, the least and the greatest. Default: `8000-9000`.
    #[schemars(regex(pattern = units::PORT_RANGE_PATTERN), example = "8000-9000")]
    pub(super) port_range: Option<At<String>>,
    /// PEM files with certificates that plugins' requests trust besides the system's, from this file's folder.
    #[schemars(length(min = 1, max = MAX_ITEMS), example = ["our-ca.pem"])]
    pub(super) roots: Option<Vec<At<String>>>,
    /// The folder that keeps the frame a plugin failed on, from this file's folder. Default: none is kept.
    #[schemars(length(min = 1), example = &"evidence")]
    pub(super) evidence: Option<At<String>>,
    /// What stands for each of the app's cameras.
    #[serde(default)]
    #[schemars(extend("maxProperties" = MAX_ITEMS))]
    pub(super) cameras: Items<DeployCamera>,
    /// The library of onnxruntime, or the folder it is in, from this file's folder. Default: it is looked for.
    #[schemars(length(min = 1), example = &"/opt/onnxruntime/lib")]
    pub(super) onnxruntime: Option<At<String>>,
    /// How the app's models are run on this box.
    #[serde(default)]
    #[schemars(extend("maxProperties" = MAX_ITEMS))]
    pub(super) models: Items<DeployModel>,
    /// Values of the app's params.
    #[serde(default)]
    #[schemars(extend("maxProperties" = MAX_ITEMS))]
    pub(super) params: Items<At<Scalar>>,
    /// What the app's plugins may use.
    #[serde(default)]
    #[schemars(extend("maxProperties" = MAX_ITEMS))]
    pub(super) plugins: Items<DeployPlugin>,
    /// Where the app's events go.
    pub(super) events: Option<EventsSection>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeployCamera {
    /// The one stream: `rtsp://…`, or the path of a file or folder from this file's folder.
    #[schemars(length(min = 1), example = "rtsp://192.168.1.20/stream1")]
    pub(super) source: Option<At<String>>,
    /// Several streams, each as `source`.
    #[schemars(length(min = 1, max = MAX_ITEMS), example = ["rtsp://192.168.1.20/stream1", "../clips/door.mp4"])]
    pub(super) sources: Option<At<Vec<At<String>>>>,
    /// Whom to log in as, for every `rtsp://` stream of this camera.
    #[schemars(length(min = 1))]
    pub(super) username: Option<At<String>>,
    /// With what password.
    pub(super) password: Option<At<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeployModel {
    /// The folder of another `model.toml` in place of the app's, from this file's folder.
    #[schemars(length(min = 1), example = "../../models/person")]
    pub(super) path: Option<At<String>>,
    /// The only back end to run it on. Default: the fastest that gives the right answers.
    pub(super) backend: Option<At<BackendWritten>>,
    /// Threads of one inference on the processor. Default: 1.
    #[schemars(range(min = 1, max = 64))]
    pub(super) threads: Option<At<u8>>,
    /// A server that runs it.
    pub(super) remote: Option<RemoteSection>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum BackendWritten {
    Rten,
    Onnxruntime,
    Wonnx,
}

/// A server that speaks the Open Inference Protocol (KServe, Triton, OpenVINO model server).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoteSection {
    /// Where it is: `http://HOST:PORT`, `https://…`, `grpc://HOST:PORT` or `grpcs://…`.
    #[schemars(length(min = 1), example = "grpc://192.168.1.30:8001")]
    pub(super) url: At<String>,
    /// What the server calls the model. Default: as its `model.toml` does.
    #[schemars(length(min = 1, max = 256))]
    pub(super) model: Option<At<String>>,
    /// The model's version. Default: the server chooses.
    #[schemars(length(min = 1, max = 256))]
    pub(super) version: Option<At<String>>,
    /// For one inference with all its tries, `1ms` to `60s`. Default: `500ms`.
    #[schemars(example = &"500ms")]
    pub(super) timeout: Option<At<String>>,
    /// For finding the server, `10ms` to `60s`. Default: `2s`.
    #[schemars(example = &"2s")]
    pub(super) connect_timeout: Option<At<String>>,
    /// More tries after one that may have failed by chance. Default: 1.
    #[schemars(range(max = 5))]
    pub(super) retries: Option<At<u8>>,
    /// Inferences under way at once; one more is told that the server is busy. Default: 4.
    #[schemars(range(min = 1, max = 64))]
    pub(super) in_flight: Option<At<u8>>,
    /// Whether the model is run on this box while the server is away. Default: `true`.
    pub(super) fallback: Option<At<bool>>,
    /// Whether the server's copy of the model has 16-bit floats where the file has 32. Default: `false`.
    pub(super) half: Option<At<bool>>,
    /// Sent as `Authorization: Bearer …`, over `https`, `grpcs` or to this machine only. Default: nothing.
    #[schemars(length(min = 1, max = 8192))]
    pub(super) token: Option<At<String>>,
    /// PEM files of authorities to believe besides the system's, from this file's folder.
    #[schemars(length(min = 1, max = MAX_ITEMS), example = ["our-ca.pem"])]
    pub(super) roots: Option<Vec<At<String>>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeployPlugin {
    /// What of the things the app asks for it gets. Default: nothing.
    pub(super) grants: Option<GrantsSection>,
    /// Tighter limits than the app's; a looser one is an error.
    pub(super) limits: Option<LimitsSection>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantsSection {
    /// Names of the models it may ask. Default: none.
    #[schemars(length(max = MAX_ITEMS), example = ["person"])]
    pub(super) models: Option<Vec<At<String>>>,
    /// It may read the pixels of the cameras it watches. Default: `false`.
    pub(super) pixels: Option<At<bool>>,
    /// It may take JPEG pictures of the cameras it watches. Default: `false`.
    pub(super) jpeg: Option<At<bool>>,
    /// It may keep values that outlive it, at most what it asks for: a size, or a table that also says how
    /// many. Default: nothing.
    pub(super) storage: Option<At<StorageWritten>>,
    /// It may send HTTP requests to these hosts, each written as it is asked for, or a table that also
    /// narrows the methods or names addresses of this network. Default: none.
    #[schemars(length(max = MAX_ITEMS), example = ["https://api.example.com"])]
    pub(super) http: Option<Vec<At<HttpGrantWritten>>>,
    /// Ports it may answer on. Default: none.
    #[schemars(length(max = MAX_ITEMS))]
    pub(super) ports: Option<Vec<PortGrantSection>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum HttpGrantWritten {
    Url(
        #[schemars(regex(pattern = hosts::HOST_PATTERN), example = "https://api.example.com")]
        String,
    ),
    Table(HttpGrantSection),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpGrantSection {
    /// The host, as the app asks for it.
    #[schemars(regex(pattern = hosts::HOST_PATTERN), example = "https://api.example.com")]
    pub(super) url: String,
    /// The methods of its requests, among those asked for. Default: those.
    #[schemars(length(min = 1, max = MAX_ITEMS), example = ["GET", "POST"])]
    pub(super) methods: Option<Vec<Method>>,
    /// Ranges the host's name may lead to though they are no part of the public Internet: private, loopback,
    /// link-local and reserved addresses. Default: none.
    #[schemars(length(min = 1, max = MAX_ITEMS), example = ["192.168.1.0/24"])]
    pub(super) addresses: Option<Vec<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PortGrantSection {
    /// The app's name for the port.
    #[schemars(regex(pattern = units::NAME_PATTERN), example = &"status")]
    pub(super) name: At<String>,
    /// The port of this box that is opened, within `port_range`.
    #[schemars(range(min = 1024), example = 8080)]
    pub(super) host_port: At<u16>,
    /// Who may ask there: ranges of addresses. Default: this machine only.
    #[schemars(length(min = 1, max = MAX_ITEMS), example = ["192.168.1.0/24"])]
    pub(super) from: Option<Vec<At<String>>>,
    /// What a request has to bring as `Authorization: Bearer …`: visible ASCII characters. Default: nothing.
    #[schemars(length(min = 1, max = 256))]
    pub(super) token: Option<At<String>>,
    /// A file of PEM certificates, from this file's folder; with `key` it makes the port HTTPS.
    #[schemars(length(min = 1), example = "certificate.pem")]
    pub(super) certificate: Option<At<String>>,
    /// The PEM file of the certificate's private key.
    #[schemars(length(min = 1), example = "key.pem")]
    pub(super) key: Option<At<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsSection {
    /// The file events go to, one JSON object a line, from this file's folder; `-` is standard output.
    #[schemars(length(min = 1), example = "events.jsonl")]
    pub(super) file: At<String>,
}
