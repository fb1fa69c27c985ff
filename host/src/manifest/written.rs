//! The two files as they are typed: the one description from which serde reads them, the JSON Schema is
//! generated and [`shape`](super::shape) finds unknown keys and wrong types. The doc comments here are what
//! an editor shows.

use std::collections::BTreeMap;
use std::ops::Deref;

use schemars::JsonSchema;
use serde::Deserialize;

use super::units;

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
    /// Names of the models it may ask. Default: none.
    #[schemars(length(max = MAX_ITEMS), example = ["person"])]
    pub(super) models: Option<Vec<At<String>>>,
    /// Names of the params it is told. Default: all.
    #[schemars(length(max = MAX_ITEMS), example = ["threshold"])]
    pub(super) params: Option<Vec<At<String>>>,
    /// What it may use.
    pub(super) limits: Option<LimitsSection>,
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsSection {
    /// Everything the plugin keeps in memory: `KiB`, `MiB` or `GiB`, from `1MiB` to `4GiB`.
    /// Default: `64MiB`.
    #[schemars(regex(pattern = units::SIZE_PATTERN), example = "64MiB")]
    pub(super) memory: Option<At<String>>,
    /// The plugin's own time in one call, waiting for the host not counted: `ms` or `s`, from `1ms` to
    /// `10s`. Default: `50ms`.
    #[schemars(regex(pattern = units::DURATION_PATTERN), example = "50ms")]
    pub(super) deadline: Option<At<String>>,
}

/// How an app runs on this box: its cameras, its params, tighter limits. Written by the owner.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Transom deploy.toml")]
pub(super) struct DeployFile {
    /// What stands for each of the app's cameras.
    #[serde(default)]
    #[schemars(extend("maxProperties" = MAX_ITEMS))]
    pub(super) cameras: Items<DeployCamera>,
    /// Models in place of the app's.
    #[serde(default)]
    #[schemars(extend("maxProperties" = MAX_ITEMS))]
    pub(super) models: Items<ModelSection>,
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
pub(super) struct DeployPlugin {
    /// Tighter limits than the app's; a looser one is an error.
    pub(super) limits: Option<LimitsSection>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsSection {
    /// The file events go to, one JSON object a line, from this file's folder; `-` is standard output.
    #[schemars(length(min = 1), example = "events.jsonl")]
    pub(super) file: At<String>,
}
