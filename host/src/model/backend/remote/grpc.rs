//! The protocol over gRPC: `inference.GRPCInferenceService`, unary calls only. Messages and field numbers are
//! those of `grpc_predict_v2.proto` of the Open Inference Protocol; framing is that of gRPC over HTTP/2
//! (PROTOCOL-HTTP2.md of grpc/grpc).

use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use prost::Message;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};

use super::agree::{Expected, Metadata, Sent, Told};
use super::exchange::{Answer, Call};
use super::values::{Datatype, read_bytes, write_bytes};
use super::{Fault, Model, Server, said};
use crate::model::tensor::{Array, Element, Values};

/// Compressed or not, and the message's length.
const PREFIX: usize = 5;
/// Names, shapes and parameters of an answer.
const SLACK_BYTES: usize = 16 << 10;
/// Whatever says how things are, not what was inferred.
const METADATA_BYTES: usize = 256 << 10;
/// gRPC's status codes that are more than a failure.
mod code {
    pub(super) const DEADLINE_EXCEEDED: u32 = 4;
    pub(super) const NOT_FOUND: u32 = 5;
    pub(super) const PERMISSION_DENIED: u32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(super) const UNIMPLEMENTED: u32 = 12;
    pub(super) const UNAVAILABLE: u32 = 14;
    pub(super) const UNAUTHENTICATED: u32 = 16;
}

/// `ServerLive`, `ServerReady` and `ModelReady` all answer with one boolean in field 1.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Ready {
    #[prost(bool, tag = "1")]
    pub(super) ready: bool,
}

/// `ModelReadyRequest` and `ModelMetadataRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OfModel {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ServerMetadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelMetadata {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) versions: Vec<String>,
    #[prost(string, tag = "3")]
    pub(super) platform: String,
    #[prost(message, repeated, tag = "4")]
    pub(super) inputs: Vec<Tensor>,
    #[prost(message, repeated, tag = "5")]
    pub(super) outputs: Vec<Tensor>,
}

/// `TensorMetadata`, `InferInputTensor` and `InferOutputTensor`, whose first three fields are one.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) datatype: String,
    #[prost(int64, repeated, tag = "3")]
    pub(super) shape: Vec<i64>,
    #[prost(message, optional, tag = "5")]
    pub(super) contents: Option<Contents>,
}

/// `InferTensorContents`, without the bytes of strings.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Contents {
    #[prost(bool, repeated, tag = "1")]
    pub(super) bools: Vec<bool>,
    #[prost(int32, repeated, tag = "2")]
    pub(super) ints: Vec<i32>,
    #[prost(int64, repeated, tag = "3")]
    pub(super) longs: Vec<i64>,
    #[prost(uint32, repeated, tag = "4")]
    pub(super) uints: Vec<u32>,
    #[prost(uint64, repeated, tag = "5")]
    pub(super) ulongs: Vec<u64>,
    #[prost(float, repeated, tag = "6")]
    pub(super) floats: Vec<f32>,
    #[prost(double, repeated, tag = "7")]
    pub(super) doubles: Vec<f64>,
}

/// `InferRequestedOutputTensor`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Requested {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InferRequest {
    #[prost(string, tag = "1")]
    pub(super) model_name: String,
    #[prost(string, tag = "2")]
    pub(super) model_version: String,
    #[prost(string, tag = "3")]
    pub(super) id: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) inputs: Vec<Tensor>,
    #[prost(message, repeated, tag = "6")]
    pub(super) outputs: Vec<Requested>,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub(super) raw_input_contents: Vec<Bytes>,
}
const RAW_INPUT_CONTENTS: u32 = 7;

#[derive(Clone, PartialEq, Message)]
pub(super) struct InferResponse {
    #[prost(message, repeated, tag = "5")]
    pub(super) outputs: Vec<Tensor>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub(super) raw_output_contents: Vec<Bytes>,
}
const OUTPUTS: u32 = 5;
const RAW_OUTPUT_CONTENTS: u32 = 6;

/// `RepositoryIndexResponse`, an extension.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RepositoryIndex {
    #[prost(message, repeated, tag = "1")]
    pub(super) models: Vec<Indexed>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Indexed {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) state: String,
    #[prost(string, tag = "4")]
    pub(super) reason: String,
}

/// One model's calls.
pub(super) struct Grpc {
    pub(super) model: String,
    pub(super) version: String,
    pub(super) authorization: Option<HeaderValue>,
}

impl Grpc {
    pub(super) fn server_ready(&self, timeout: Duration) -> Call {
        self.call("ServerReady", &Empty {}, METADATA_BYTES, timeout)
    }

    pub(super) fn server_metadata(&self, timeout: Duration) -> Call {
        self.call("ServerMetadata", &Empty {}, METADATA_BYTES, timeout)
    }

    pub(super) fn model_ready(&self, timeout: Duration) -> Call {
        self.call("ModelReady", &self.of_model(), METADATA_BYTES, timeout)
    }

    pub(super) fn model_metadata(&self, timeout: Duration) -> Call {
        self.call("ModelMetadata", &self.of_model(), METADATA_BYTES, timeout)
    }

    pub(super) fn index(&self, timeout: Duration) -> Call {
        self.call("RepositoryIndex", &Empty {}, METADATA_BYTES, timeout)
    }

    pub(super) fn infer(
        &self,
        inputs: &[(&Sent, &Array)],
        outputs: &[Expected],
        limit: usize,
        timeout: Duration,
    ) -> Call {
        let request = InferRequest {
            model_name: self.model.clone(),
            model_version: self.version.clone(),
            id: super::REQUEST_ID.to_owned(),
            inputs: inputs
                .iter()
                .map(|(sent, array)| Tensor {
                    name: sent.port.name.clone(),
                    datatype: sent.datatype.as_str().to_owned(),
                    shape: array.shape.iter().map(|axis| i64::try_from(*axis).unwrap_or(i64::MAX)).collect(),
                    contents: None,
                })
                .collect(),
            outputs: outputs.iter().map(|output| Requested { name: output.name.clone() }).collect(),
            raw_input_contents: Vec::new(),
        };
        // The tensors follow the message as its last fields, so that they are copied once.
        let tensors: usize =
            inputs.iter().map(|(sent, array)| array.values.len() * sent.datatype.size() + 16).sum();
        let mut body = Vec::with_capacity(PREFIX + request.encoded_len() + tensors);
        body.put_bytes(0, PREFIX);
        request.encode_raw(&mut body);
        for (sent, array) in inputs {
            encode_key(RAW_INPUT_CONTENTS, WireType::LengthDelimited, &mut body);
            encode_varint((array.values.len() * sent.datatype.size()) as u64, &mut body);
            write_bytes(&array.values, sent.datatype, &mut body);
        }
        self.framed("ModelInfer", body, limit, timeout)
    }

    fn of_model(&self) -> OfModel {
        OfModel { name: self.model.clone(), version: self.version.clone() }
    }

    fn call(&self, method: &str, message: &impl Message, limit: usize, timeout: Duration) -> Call {
        let mut body = vec![0; PREFIX];
        message.encode_raw(&mut body);
        self.framed(method, body, limit, timeout)
    }

    /// `body` has room for the prefix at its front.
    fn framed(&self, method: &str, mut body: Vec<u8>, limit: usize, timeout: Duration) -> Call {
        // More than 4 GiB cannot be sent; the server then sees a message cut short.
        let length = u32::try_from(body.len() - PREFIX).unwrap_or(u32::MAX);
        body[1..PREFIX].copy_from_slice(&length.to_be_bytes());
        let mut headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
            (TE, HeaderValue::from_static("trailers")),
        ];
        // The server drops what nobody waits for any more. At most eight digits.
        let milliseconds = timeout.as_millis().clamp(1, 99_999_999);
        if let Ok(value) = HeaderValue::from_str(&format!("{milliseconds}m")) {
            headers.push((HeaderName::from_static("grpc-timeout"), value));
        }
        if let Some(authorization) = &self.authorization {
            headers.push((http::header::AUTHORIZATION, authorization.clone()));
        }
        Call {
            method: Method::POST,
            path: format!("/inference.GRPCInferenceService/{method}"),
            headers,
            body: body.into(),
            limit: limit.saturating_add(PREFIX),
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Empty {}

/// The most bytes of an answer with these outputs.
pub(super) fn limit(outputs: &[Expected], open: usize) -> usize {
    outputs.iter().fold(SLACK_BYTES, |sum, output| {
        // A number as a varint has ten bytes at most; raw, as many as its type.
        let each = output.datatype.size().max(10);
        let bytes = output.values().map_or(open, |values| values.saturating_mul(each));
        sum.saturating_add(bytes)
    })
}

/// What the answer's status says.
pub(super) fn verdict(answer: &Answer) -> Result<(), Fault> {
    let status =
        |from: &HeaderMap| from.get("grpc-status").and_then(|value| value.to_str().ok()?.parse().ok());
    let text = |from: &HeaderMap| from.get("grpc-message").map(|value| unescaped(value.as_bytes()));
    // An answer of a status alone has it among its headers.
    let code: Option<u32> = status(&answer.trailers).or_else(|| status(&answer.headers));
    let text = text(&answer.trailers).or_else(|| text(&answer.headers)).unwrap_or_default();
    let Some(code) = code else {
        return Err(match answer.status {
            StatusCode::SERVICE_UNAVAILABLE => Fault::Passing("it is unavailable (HTTP 503)".to_owned()),
            StatusCode::TOO_MANY_REQUESTS => Fault::Busy("it has too much to do (HTTP 429)".to_owned()),
            StatusCode::OK => Fault::Wrong("its answer has no gRPC status; check the port".to_owned()),
            status => {
                Fault::Wrong(format!("it answers HTTP {status}, not gRPC; check the address and the port"))
            }
        });
    };
    let with = |words: &str| if text.is_empty() { words.to_owned() } else { format!("{words}: {text}") };
    match code {
        0 => Ok(()),
        code::UNAVAILABLE => Err(Fault::Passing(with("it is unavailable"))),
        code::DEADLINE_EXCEEDED => Err(Fault::Late(with("it did not answer in time"))),
        // gRPC's libraries refuse a long message with the status of a full queue.
        code::RESOURCE_EXHAUSTED if text.contains("larger than max") => Err(Fault::Wrong(with(
            "it takes no messages of this length; raise its limit (Triton has none, gRPC for Python 4 MiB)",
        ))),
        code::RESOURCE_EXHAUSTED => Err(Fault::Busy(with("it has too much to do"))),
        code::PERMISSION_DENIED | code::UNAUTHENTICATED => {
            Err(Fault::Wrong(with("it does not let this caller in; check `token`")))
        }
        code::NOT_FOUND => Err(Fault::Absent(with("there is no such model"))),
        code::UNIMPLEMENTED => Err(Fault::Wrong(with("it is no inference server, or one without this call"))),
        code => Err(Fault::Wrong(with(&format!("it refuses (gRPC status {code})")))),
    }
}

/// `grpc-message` is percent-encoded.
fn unescaped(value: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%');
        let byte = escaped.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn message(answer: &Answer) -> Result<Bytes, Fault> {
    let mut body = answer.body.clone();
    if body.len() < PREFIX {
        return Err(Fault::Wrong("its answer is no gRPC message; check the port".to_owned()));
    }
    let compressed = body.get_u8();
    let length = body.get_u32();
    if compressed != 0 {
        return Err(Fault::Wrong("its answer is compressed, which was not asked for".to_owned()));
    }
    if length as usize != body.len() {
        return Err(Fault::Wrong(format!("its answer has {} bytes, not the {length} it says", body.len())));
    }
    Ok(body)
}

fn decode<T: Message + Default>(answer: &Answer) -> Result<T, Fault> {
    T::decode(message(answer)?).map_err(|error| Fault::Wrong(format!("its answer is malformed: {error}")))
}

pub(super) fn ready(answer: &Answer) -> Result<bool, Fault> {
    Ok(decode::<Ready>(answer)?.ready)
}

pub(super) fn server(answer: &Answer) -> Result<Server, Fault> {
    let metadata: ServerMetadata = decode(answer)?;
    Ok(Server { name: metadata.name, version: metadata.version, binary: true })
}

pub(super) fn metadata(answer: &Answer) -> Result<Metadata, Fault> {
    let metadata: ModelMetadata = decode(answer)?;
    let told = |tensors: Vec<Tensor>| {
        tensors
            .into_iter()
            .map(|tensor| Told { name: tensor.name, datatype: tensor.datatype, shape: tensor.shape })
            .collect()
    };
    Ok(Metadata {
        platform: metadata.platform,
        versions: metadata.versions,
        inputs: told(metadata.inputs),
        outputs: told(metadata.outputs),
    })
}

pub(super) fn index(answer: &Answer) -> Result<Vec<Model>, Fault> {
    let index: RepositoryIndex = decode(answer)?;
    let model = |model: Indexed| Model { name: model.name, state: model.state, reason: model.reason };
    Ok(index.models.into_iter().map(model).collect())
}

/// The outputs in the order of `expected`.
pub(super) fn outputs(
    answer: &Answer,
    expected: &[Expected],
    most_bytes: usize,
) -> Result<Vec<Array>, String> {
    let message = message(answer).map_err(|fault| fault.to_string())?;
    let malformed = |error: &dyn std::fmt::Display| format!("its answer is malformed: {error}");
    // An empty message takes two bytes on the wire and a hundred in memory: count before decoding.
    let most = expected.len() + 64;
    let (tensors, raws) = count(message.clone()).map_err(|error| malformed(&error))?;
    if tensors > most || raws > most {
        return Err(format!("it answers with {} outputs, not {}", tensors.max(raws), expected.len()));
    }
    let response = InferResponse::decode(message).map_err(|error| malformed(&error))?;
    let mut arrays = Vec::with_capacity(expected.len());
    for wanted in expected {
        let name = &wanted.name;
        let found = response.outputs.iter().position(|tensor| tensor.name == *name);
        let Some(place) = found else {
            let came = response.outputs.iter().take(8).map(|tensor| said(&tensor.name, None));
            let came = came.collect::<Vec<_>>().join("`, `");
            return Err(format!("output `{name}` is missing; it answered with `{came}`"));
        };
        let tensor = &response.outputs[place];
        let (shape, count) = wanted.fits(&tensor.datatype, &tensor.shape, most_bytes)?;
        let values = match response.raw_output_contents.get(place) {
            Some(raw) if raw.len() == count * wanted.datatype.size() => {
                read_bytes(raw, wanted.datatype, wanted.element)
                    .map_err(|why| format!("output `{name}`: {why}"))?
            }
            Some(raw) => {
                return Err(format!(
                    "output `{name}` has {} bytes, its shape needs {}",
                    raw.len(),
                    count * wanted.datatype.size()
                ));
            }
            None if !response.raw_output_contents.is_empty() => {
                return Err(format!("output `{name}` has no contents"));
            }
            None => {
                let values = typed(tensor.contents.as_ref(), wanted.datatype)
                    .map_err(|why| format!("output `{name}`: {why}"))?;
                if values.len() != count {
                    return Err(format!(
                        "output `{name}` has {} values, its shape needs {count}",
                        values.len()
                    ));
                }
                values
            }
        };
        arrays.push(Array { shape, values });
    }
    Ok(arrays)
}

/// How many outputs and raw contents a message has.
fn count(mut message: Bytes) -> Result<(usize, usize), prost::DecodeError> {
    let (mut tensors, mut raws) = (0, 0);
    while message.has_remaining() {
        let (tag, wire) = decode_key(&mut message)?;
        match tag {
            OUTPUTS => tensors += 1,
            RAW_OUTPUT_CONTENTS => raws += 1,
            _ => {}
        }
        if wire == WireType::LengthDelimited {
            let length = decode_varint(&mut message)?;
            match usize::try_from(length) {
                Ok(length) if length <= message.remaining() => message.advance(length),
                // The decoder has the words for it.
                _ => return Ok((tensors, raws)),
            }
        } else {
            skip_field(wire, tag, &mut message, DecodeContext::default())?;
        }
    }
    Ok((tensors, raws))
}

fn typed(contents: Option<&Contents>, datatype: Datatype) -> Result<Values, String> {
    let none = Contents::default();
    let contents = contents.unwrap_or(&none);
    macro_rules! narrowed {
        ($kind:ident, $field:ident) => {
            contents
                .$field
                .iter()
                .map(|value| (*value).try_into().ok())
                .collect::<Option<_>>()
                .map(Values::$kind)
                .ok_or_else(|| "it has a value its type has not".to_owned())?
        };
    }
    let Datatype::Same(element) = datatype else {
        return Err("BF16 can only come as raw contents".to_owned());
    };
    Ok(match element {
        Element::Bool => Values::Bool(contents.bools.clone()),
        Element::Int8 => narrowed!(I8, ints),
        Element::Int16 => narrowed!(I16, ints),
        Element::Int32 => Values::I32(contents.ints.clone()),
        Element::Int64 => Values::I64(contents.longs.clone()),
        Element::Uint8 => narrowed!(U8, uints),
        Element::Uint16 => narrowed!(U16, uints),
        Element::Uint32 => Values::U32(contents.uints.clone()),
        Element::Uint64 => Values::U64(contents.ulongs.clone()),
        Element::Float32 => Values::F32(contents.floats.clone()),
        Element::Float64 => Values::F64(contents.doubles.clone()),
        Element::Float16 => return Err("FP16 can only come as raw contents".to_owned()),
    })
}

/// For the servers of the tests.
#[cfg(test)]
pub(super) fn frame(message: &impl Message) -> Bytes {
    let mut bytes = vec![0];
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode_raw(&mut bytes);
    bytes.into()
}
