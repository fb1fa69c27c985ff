//! The worker's side: a process that holds one device and one graph.

use std::borrow::Cow;
use std::collections::HashMap;

use wonnx::utils::{InputTensor, OutputTensor};

use super::adapters;
use super::protocol::{Load, Numbers, Reader, Writer};
use crate::base::Result;
use crate::model::worker::{self, Kind, short};

/// Does what comes on standard input until it closes.
///
/// # Errors
/// [`Kind::Internal`](crate::base::Kind::Internal) where the system does not let it begin.
pub fn work() -> Result<()> {
    let mut graph: Option<Loaded> = None;
    worker::serve(move |request, _| match request.kind {
        Kind::Adapters => adapters::enumerate(),
        Kind::Load => {
            let load = Load::read(&request.bytes).ok_or("a graph that is not whole")?;
            drop(request.bytes);
            graph = Some(Loaded::new(load)?);
            Ok(Vec::new())
        }
        Kind::Run => match &mut graph {
            Some(graph) => graph.run(&request.bytes),
            None => Err("no graph is loaded".to_owned()),
        },
        _ => Err("a request that is none".to_owned()),
    })
}

struct Loaded {
    session: wonnx::Session,
    wanted: Vec<String>,
    taken: Vec<String>,
    fed: Vec<(String, Vec<f32>)>,
}

impl Loaded {
    fn new(load: Load) -> Result<Self, String> {
        let config = wonnx::SessionConfig::new().with_outputs(Some(load.wanted.clone()));
        let session = pollster::block_on(wonnx::Session::from_bytes_with_config(&load.file, &config))
            .map_err(|error| short(&error.to_string()))?;
        Ok(Loaded { session, wanted: load.wanted, taken: load.taken, fed: load.fed })
    }

    fn run(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut from = Reader { bytes };
        let mut inputs: HashMap<String, InputTensor<'_>> = HashMap::new();
        for (name, values) in &self.fed {
            inputs.insert(name.clone(), InputTensor::F32(Cow::Borrowed(values)));
        }
        for name in &self.taken {
            let numbers = from.numbers().ok_or("an input that is not whole")?;
            let tensor = match numbers {
                Numbers::F32(values) => InputTensor::F32(Cow::Owned(values)),
                Numbers::I32(values) => InputTensor::I32(Cow::Owned(values)),
            };
            inputs.insert(name.clone(), tensor);
        }
        let mut outputs =
            pollster::block_on(self.session.run(&inputs)).map_err(|error| short(&error.to_string()))?;
        let mut to = Writer::default();
        for name in &self.wanted {
            match outputs.remove(name) {
                Some(OutputTensor::F32(values)) => to.floats(&values),
                Some(_) => return Err("an output is not of float32".to_owned()),
                None => return Err("an output is missing".to_owned()),
            }
        }
        Ok(to.bytes)
    }
}
