//! The protocol over HTTP: JSON, and the binary tensor data extension, in which the tensors follow the JSON as
//! bytes and `Inference-Header-Content-Length` says where.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::agree::{Expected, Metadata, Sent, Told};
use super::exchange::{Answer, Call};
use super::values::{Datatype, read_bytes, read_json, write_bytes, write_json};
use super::{Fault, Model, Server, said};
use crate::model::tensor::{Array, Element};

const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
/// Names, shapes and parameters of an answer.
const SLACK_BYTES: usize = 16 << 10;
/// Whatever says how things are, not what was inferred.
const METADATA_BYTES: usize = 256 << 10;

/// One model's calls.
pub(super) struct Rest {
    /// In front of `/v2`.
    pub(super) prefix: String,
    /// `/v2/models/name` or `/v2/models/name/versions/1`, escaped.
    model_path: String,
    authorization: Option<HeaderValue>,
}

#[derive(Deserialize)]
struct ServerTold {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    extensions: Vec<String>,
}

#[derive(Deserialize)]
struct ReadyTold {
    ready: Option<bool>,
}

#[derive(Deserialize)]
struct ModelTold {
    #[serde(default)]
    platform: Option<String>,
    #[serde(default)]
    versions: Option<Vec<String>>,
    #[serde(default)]
    inputs: Option<Vec<TensorTold>>,
    #[serde(default)]
    outputs: Option<Vec<TensorTold>>,
}

#[derive(Deserialize)]
struct TensorTold {
    name: String,
    datatype: String,
    #[serde(default)]
    shape: Vec<i64>,
}

#[derive(Deserialize)]
struct IndexTold {
    name: String,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(alias = "detail", alias = "message")]
    error: String,
}

#[derive(Deserialize)]
struct Inferred<'a> {
    #[serde(borrow)]
    outputs: Vec<OutputTold<'a>>,
}

#[derive(Deserialize)]
struct OutputTold<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    shape: Vec<i64>,
    #[serde(default)]
    parameters: Option<Parameters>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    binary_data_size: Option<u64>,
}

impl Rest {
    pub(super) fn new(
        prefix: String,
        model: &str,
        version: Option<&str>,
        authorization: Option<HeaderValue>,
    ) -> Result<Self, String> {
        // Only for its rules of escaping.
        let mut url = Url::parse("http://localhost/").map_err(|error| error.to_string())?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["v2", "models", model]);
            if let Some(version) = version {
                path.extend(["versions", version]);
            }
        }
        Ok(Rest { prefix, model_path: url.path().to_owned(), authorization })
    }

    pub(super) fn server_ready(&self) -> Call {
        self.get("/v2/health/ready")
    }

    pub(super) fn server_metadata(&self) -> Call {
        self.get("/v2")
    }

    pub(super) fn model_ready(&self) -> Call {
        self.get(&format!("{}/ready", self.model_path))
    }

    pub(super) fn model_metadata(&self) -> Call {
        self.get(&self.model_path)
    }

    pub(super) fn index(&self) -> Call {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        self.call(Method::POST, "/v2/repository/index", headers, b"{}".to_vec(), METADATA_BYTES)
    }

    pub(super) fn infer(
        &self,
        inputs: &[(&Sent, &Array)],
        outputs: &[Expected],
        binary: bool,
        limit: usize,
    ) -> Result<Call, String> {
        let tensors = inputs.iter().map(|(sent, array)| array.values.len() * sent.datatype.size());
        let mut body =
            Vec::with_capacity(1024 + if binary { tensors.sum() } else { tensors.sum::<usize>() * 3 });
        body.extend_from_slice(format!("{{\"id\":\"{}\",\"inputs\":[", super::REQUEST_ID).as_bytes());
        for (index, (sent, array)) in inputs.iter().enumerate() {
            let port = &sent.port;
            let name = quoted(&port.name);
            let comma = if index == 0 { "" } else { "," };
            let start = format!(
                "{comma}{{\"name\":{name},\"datatype\":\"{}\",\"shape\":{:?},",
                sent.datatype.as_str(),
                array.shape
            );
            body.extend_from_slice(start.as_bytes());
            if binary {
                let size = array.values.len() * sent.datatype.size();
                body.extend_from_slice(
                    format!("\"parameters\":{{\"binary_data_size\":{size}}}}}").as_bytes(),
                );
            } else {
                body.extend_from_slice(b"\"data\":");
                write_json(&array.values, &mut body)
                    .map_err(|why| format!("input `{}`: {why}", port.name))?;
                body.push(b'}');
            }
        }
        body.extend_from_slice(b"],\"outputs\":[");
        for (index, output) in outputs.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let asked = if binary { ",\"parameters\":{\"binary_data\":true}" } else { "" };
            body.extend_from_slice(format!("{comma}{{\"name\":{}{asked}}}", quoted(&output.name)).as_bytes());
        }
        body.extend_from_slice(b"]}");
        let mut headers = Vec::new();
        if binary {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")));
            headers.push((JSON_LENGTH, HeaderValue::from(body.len())));
            for (sent, array) in inputs {
                write_bytes(&array.values, sent.datatype, &mut body);
            }
        } else {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        Ok(self.call(Method::POST, &format!("{}/infer", self.model_path), headers, body, limit))
    }

    fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path, Vec::new(), Vec::new(), METADATA_BYTES)
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        mut headers: Vec<(HeaderName, HeaderValue)>,
        body: Vec<u8>,
        limit: usize,
    ) -> Call {
        if let Some(authorization) = &self.authorization {
            headers.push((AUTHORIZATION, authorization.clone()));
        }
        Call { method, path: format!("{}{path}", self.prefix), headers, body: body.into(), limit }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The most bytes of an answer with these outputs: as JSON, since a server may answer so whatever was asked.
pub(super) fn limit(outputs: &[Expected], open: usize) -> usize {
    outputs.iter().fold(SLACK_BYTES, |sum, output| {
        // `-1.1754943508222875e-38, ` has 25 bytes, `-9223372036854775808, ` 22, `-2147483648, ` 13.
        let each = match output.datatype {
            Datatype::Same(Element::Float32 | Element::Float64) => 32,
            Datatype::Same(Element::Int64 | Element::Uint64) => 24,
            _ => 16,
        };
        let bytes = output.values().map_or(open, |values| values.saturating_mul(each));
        sum.saturating_add(bytes)
    })
}

/// What the answer's status says.
pub(super) fn verdict(answer: &Answer) -> Result<(), Fault> {
    let words = || match serde_json::from_slice::<Refusal>(&answer.body) {
        Ok(refusal) => refusal.error,
        Err(_) => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    let with = |text: &str| {
        let words = words();
        if words.trim().is_empty() { text.to_owned() } else { format!("{text}: {words}") }
    };
    match answer.status {
        StatusCode::OK => Ok(()),
        StatusCode::SERVICE_UNAVAILABLE => Err(Fault::Passing(with("it is unavailable (503)"))),
        StatusCode::TOO_MANY_REQUESTS => Err(Fault::Busy(with("it has too much to do (429)"))),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(Fault::Wrong(with("it does not let this caller in; check `token`")))
        }
        StatusCode::NOT_FOUND => Err(Fault::Absent(with("it has nothing at this address (404)"))),
        status if status.is_redirection() => {
            let location =
                answer.headers.get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()));
            Err(Fault::Wrong(format!(
                "it redirects ({}) to `{}`, which is not followed; give the address itself in `url`",
                status.as_u16(),
                location.unwrap_or_default()
            )))
        }
        status => Err(Fault::Wrong(with(&format!("it refuses ({})", status.as_u16())))),
    }
}

fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::Wrong(format!("its answer is no such JSON: {error}")))
}

/// Some servers answer with nothing, some with `{"ready": false}`.
pub(super) fn ready(answer: &Answer) -> bool {
    serde_json::from_slice::<ReadyTold>(&answer.body).ok().and_then(|told| told.ready).unwrap_or(true)
}

pub(super) fn server(answer: &Answer) -> Result<Server, Fault> {
    let told: ServerTold = decode(&answer.body)?;
    let binary = told.extensions.iter().any(|extension| extension == "binary_tensor_data");
    Ok(Server { name: told.name, version: told.version, binary })
}

pub(super) fn metadata(answer: &Answer) -> Result<Metadata, Fault> {
    let model: ModelTold = decode(&answer.body)?;
    let told = |tensors: Option<Vec<TensorTold>>| {
        let tensors = tensors.unwrap_or_default().into_iter();
        tensors.map(|told| Told { name: told.name, datatype: told.datatype, shape: told.shape }).collect()
    };
    Ok(Metadata {
        platform: model.platform.unwrap_or_default(),
        versions: model.versions.unwrap_or_default(),
        inputs: told(model.inputs),
        outputs: told(model.outputs),
    })
}

pub(super) fn index(answer: &Answer) -> Result<Vec<Model>, Fault> {
    let told: Vec<IndexTold> = decode(&answer.body)?;
    let model = |told: IndexTold| Model {
        name: told.name,
        state: told.state.unwrap_or_default(),
        reason: told.reason.unwrap_or_default(),
    };
    Ok(told.into_iter().map(model).collect())
}

/// The outputs in the order of `expected`.
pub(super) fn outputs(
    answer: &Answer,
    expected: &[Expected],
    most_bytes: usize,
) -> Result<Vec<Array>, String> {
    let whole = &answer.body[..];
    let (json, mut rest) = match answer.headers.get(&JSON_LENGTH) {
        None => (whole, &whole[whole.len()..]),
        Some(length) => {
            let length = length.to_str().ok().and_then(|length| length.parse::<usize>().ok());
            length.and_then(|length| whole.split_at_checked(length)).ok_or_else(|| {
                format!("its `Inference-Header-Content-Length` is no length within its {} bytes", whole.len())
            })?
        }
    };
    let inferred: Inferred<'_> = decode(json).map_err(|fault| fault.to_string())?;
    // Bytes follow in the order in which the outputs are named.
    let mut found = Vec::with_capacity(inferred.outputs.len());
    for output in &inferred.outputs {
        let size = output.parameters.as_ref().and_then(|parameters| parameters.binary_data_size);
        let bytes = match size {
            None => None,
            Some(size) => {
                let cut = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
                let (bytes, after) = cut.ok_or_else(|| {
                    let name = said(&output.name, None);
                    format!("output `{name}` says {size} bytes, {} are there", rest.len())
                })?;
                rest = after;
                Some(bytes)
            }
        };
        found.push((output, bytes));
    }
    if !rest.is_empty() {
        return Err(format!("its answer has {} bytes that belong to no output", rest.len()));
    }
    let mut arrays = Vec::with_capacity(expected.len());
    for wanted in expected {
        let name = &wanted.name;
        let Some((output, bytes)) = found.iter().find(|(output, _)| output.name == *name) else {
            let came = inferred.outputs.iter().take(8).map(|output| said(&output.name, None));
            let came = came.collect::<Vec<_>>().join("`, `");
            return Err(format!("output `{name}` is missing; it answered with `{came}`"));
        };
        let (shape, count) = wanted.fits(&output.datatype, &output.shape, most_bytes)?;
        let values = match (bytes, output.data) {
            (Some(bytes), _) if bytes.len() == count * wanted.datatype.size() => {
                read_bytes(bytes, wanted.datatype, wanted.element)
            }
            (Some(bytes), _) => Err(format!(
                "it has {} bytes, its shape needs {}",
                bytes.len(),
                count * wanted.datatype.size()
            )),
            (None, Some(data)) => read_json(data.get(), wanted.datatype, count),
            (None, None) => Err("it has no data".to_owned()),
        };
        let values = values.map_err(|why| format!("output `{name}`: {why}"))?;
        if values.len() != count {
            return Err(format!("output `{name}` has {} values, its shape needs {count}", values.len()));
        }
        arrays.push(Array { shape, values });
    }
    Ok(arrays)
}
