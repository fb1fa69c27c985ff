//! The JSON Schema of both files, for editors and for [`shape`](super::shape).

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::written::{AppFile, DeployFile};

/// The JSON Schema of `app.toml`, as it stands in `manifests/app.schema.json`.
pub fn app_schema() -> String {
    pretty(&APP)
}

/// The JSON Schema of `deploy.toml`, as it stands in `manifests/deploy.schema.json`.
pub fn deploy_schema() -> String {
    pretty(&DEPLOY)
}

/// The schema of [`AppFile`]. Made once: that takes longer than to read a manifest.
pub(super) static APP: LazyLock<Value> = LazyLock::new(schema_of::<AppFile>);
/// The schema of [`DeployFile`].
pub(super) static DEPLOY: LazyLock<Value> = LazyLock::new(schema_of::<DeployFile>);

/// Without references, so that it can be walked beside a document.
fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(AsToml)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

fn pretty(schema: &Value) -> String {
    let mut text = serde_json::to_string_pretty(schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

/// Takes out what TOML does not have: an absent key is absent, never null, and a number has no width.
#[derive(Clone)]
struct AsToml;

impl Transform for AsToml {
    fn transform(&mut self, schema: &mut Schema) {
        schema.remove("format");
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_mut_slice() {
                let only = only.take();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(any)) = schema.get_mut("anyOf") {
            any.retain(|one| one.get("type").is_none_or(|name| name != "null"));
            if let [only] = any.as_mut_slice() {
                let only = only.take();
                schema.remove("anyOf");
                if let Value::Object(only) = only {
                    for (key, value) in only {
                        // What is said of the field is nearer than what is said of its type.
                        if schema.get(&key).is_none() {
                            schema.insert(key, value);
                        }
                    }
                }
            }
        }
        transform_subschemas(self, schema);
    }
}
