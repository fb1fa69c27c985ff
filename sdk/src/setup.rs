//! What `configure` is told.

use crate::bindings::exports::transom::app::lifecycle::{Camera, ModelInfo, Param, ParamValue};
use crate::{Model, ModelError};

/// The params, cameras and models that the manifest gives this plugin.
#[derive(Debug)]
pub struct Setup {
    params: Vec<Param>,
    cameras: Vec<Camera>,
    models: Vec<ModelInfo>,
}

impl Setup {
    #[doc(hidden)]
    pub fn new(params: Vec<Param>, cameras: Vec<Camera>, models: Vec<ModelInfo>) -> Setup {
        Setup { params, cameras, models }
    }

    /// The streams this plugin will see. `FrameInfo::camera` is an index in this list.
    pub fn cameras(&self) -> &[Camera] {
        &self.cameras
    }

    /// The models this plugin may ask, in the manifest's order.
    pub fn models(&self) -> &[ModelInfo] {
        &self.models
    }

    /// Opens the model of that name.
    pub fn model(&self, name: &str) -> Result<Model, String> {
        match self.models.iter().find(|m| m.name == name) {
            Some(info) => Ok(Model::open_known(name, info.labels.clone())?),
            None => Err(ModelError::UnknownModel(name.to_owned()).into()),
        }
    }

    /// Opens the first model of the manifest, for a plugin that needs one and leaves its name to the app.
    pub fn first_model(&self) -> Result<Model, String> {
        match self.models.first() {
            Some(info) => self.model(&info.name),
            None => Err("the plugin needs a model; name one under its `models` in app.toml".to_owned()),
        }
    }

    /// A param of any type; `None` where the manifest has none of that name.
    pub fn param(&self, name: &str) -> Option<&ParamValue> {
        self.params.iter().find(|p| p.name == name).map(|p| &p.value)
    }

    /// A param of type `float`. An error where the manifest gives none of that name and type, as for the
    /// three below.
    pub fn float(&self, name: &str) -> Result<f64, String> {
        match self.expect(name)? {
            ParamValue::Float(value) => Ok(*value),
            other => Err(mismatch(name, "float", other)),
        }
    }

    /// A param of type `integer`.
    pub fn integer(&self, name: &str) -> Result<i64, String> {
        match self.expect(name)? {
            ParamValue::Integer(value) => Ok(*value),
            other => Err(mismatch(name, "integer", other)),
        }
    }

    /// A param of type `text`.
    pub fn text(&self, name: &str) -> Result<&str, String> {
        match self.expect(name)? {
            ParamValue::Text(value) => Ok(value),
            other => Err(mismatch(name, "text", other)),
        }
    }

    /// A param of type `boolean`.
    pub fn boolean(&self, name: &str) -> Result<bool, String> {
        match self.expect(name)? {
            ParamValue::Boolean(value) => Ok(*value),
            other => Err(mismatch(name, "boolean", other)),
        }
    }

    fn expect(&self, name: &str) -> Result<&ParamValue, String> {
        self.param(name)
            .ok_or_else(|| format!("the plugin needs param `{name}`; name it under its `params` in app.toml"))
    }
}

fn mismatch(name: &str, wanted: &str, given: &ParamValue) -> String {
    let given = match given {
        ParamValue::Float(_) => "float",
        ParamValue::Integer(_) => "integer",
        ParamValue::Text(_) => "text",
        ParamValue::Boolean(_) => "boolean",
    };
    format!("param `{name}` is of type {given}, the plugin needs {wanted}; change its `type` in app.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> Setup {
        let param = |name: &str, value| Param { name: name.to_owned(), value };
        let params = vec![
            param("threshold", ParamValue::Float(0.5)),
            param("limit", ParamValue::Integer(3)),
            param("line", ParamValue::Text("0,0,1,1".to_owned())),
            param("draw", ParamValue::Boolean(true)),
        ];
        Setup::new(params, Vec::new(), Vec::new())
    }

    #[test]
    fn params_come_by_name_and_type() {
        let setup = setup();
        assert_eq!(setup.float("threshold"), Ok(0.5));
        assert_eq!(setup.integer("limit"), Ok(3));
        assert_eq!(setup.text("line"), Ok("0,0,1,1"));
        assert_eq!(setup.boolean("draw"), Ok(true));
        assert!(setup.param("colour").is_none());
    }

    #[test]
    fn a_param_that_is_missing_or_of_another_type_says_what_to_change() {
        let setup = setup();
        assert_eq!(
            setup.float("colour").unwrap_err(),
            "the plugin needs param `colour`; name it under its `params` in app.toml"
        );
        assert_eq!(
            setup.float("limit").unwrap_err(),
            "param `limit` is of type integer, the plugin needs float; change its `type` in app.toml"
        );
    }

    #[test]
    fn a_plugin_without_models_is_told_where_to_name_one() {
        assert!(setup().first_model().unwrap_err().contains("under its `models`"));
        assert!(setup().model("face").unwrap_err().contains("`face`"));
    }
}
