//! Real servers, where their Python packages are installed: see `tests/support/remote/serve.py`, which starts
//! them. `TRANSOM_PYTHON_MLSERVER`, `TRANSOM_PYTHON_KSERVE` and `TRANSOM_PYTHON_TRITON` name the interpreters
//! whose environments have them; without one, `python3` is asked. `TRANSOM_REMOTE_MODELS` may list more models
//! as `NAME=FILE.onnx`, with `:` between them.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde::Deserialize;

use super::super::values::{Datatype, read_bytes};
use super::*;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

struct Real {
    child: Child,
    input: Option<ChildStdin>,
    http: String,
    grpc: String,
    probe: tempfile::TempDir,
}

impl Drop for Real {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

#[derive(Deserialize)]
struct About {
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

#[derive(Deserialize)]
struct Tensor {
    name: String,
    datatype: String,
    shape: Vec<usize>,
}

fn models() -> Vec<(String, PathBuf)> {
    let mut models = vec![("person".to_owned(), PathBuf::from(format!("{ROOT}/models/person/model.onnx")))];
    let more = std::env::var("TRANSOM_REMOTE_MODELS").unwrap_or_default();
    models.extend(more.split(':').filter_map(|named| {
        let (name, path) = named.split_once('=')?;
        Some((name.to_owned(), path.into()))
    }));
    models
}

fn start(server: &str) -> Option<Real> {
    let variable = format!("TRANSOM_PYTHON_{}", server.to_uppercase());
    let python = std::env::var(&variable).unwrap_or_else(|_| "python3".to_owned());
    let probe = tempfile::tempdir().unwrap();
    let mut command = Command::new(&python);
    command.arg(format!("{ROOT}/tests/support/remote/serve.py")).args(["--server", server]);
    for (name, path) in models() {
        command.arg("--model").arg(format!("{name}={}", path.display()));
    }
    command.arg("--probe").arg(probe.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("SKIPPED: {server}: cannot run `{python}`: {error}");
            return None;
        }
    };
    let input = child.stdin.take();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ports: Option<(&str, &str)> = line
        .strip_prefix("ready ")
        .and_then(|rest| rest.trim().split_once(' '))
        .and_then(|(http, grpc)| Some((http.strip_prefix("http=")?, grpc.strip_prefix("grpc=")?)));
    let Some((http, grpc)) = ports else {
        drop(input);
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(77), "{server} did not start: {line}");
        eprintln!("SKIPPED: {server}: {}; set {variable} to an interpreter that has it", line.trim());
        return None;
    };
    let (http, grpc) = (format!("http://127.0.0.1:{http}"), format!("grpc://127.0.0.1:{grpc}"));
    Some(Real { child, input, http, grpc, probe })
}

impl Real {
    fn arrays(&self, model: &str, kind: &str, tensors: &[Tensor]) -> Vec<Array> {
        let one = |(index, tensor): (usize, &Tensor)| {
            let bytes = std::fs::read(self.probe.path().join(format!("{model}.{kind}.{index}.bin"))).unwrap();
            let datatype = Datatype::named(&tensor.datatype).unwrap();
            let Datatype::Same(element) = datatype else { panic!("BF16") };
            Array { shape: tensor.shape.clone(), values: read_bytes(&bytes, datatype, element).unwrap() }
        };
        tensors.iter().enumerate().map(one).collect()
    }

    /// The model as it is wanted, an input, and what onnxruntime makes of it.
    fn model(&self, name: &str, path: &Path) -> (Wanted, Vec<Array>, Vec<Array>) {
        let about = std::fs::read(self.probe.path().join(format!("{name}.json"))).unwrap();
        let about: About = serde_json::from_slice(&about).unwrap();
        let (inputs, outputs) =
            (self.arrays(name, "input", &about.inputs), self.arrays(name, "output", &about.outputs));
        let bytes = Bytes::from(std::fs::read(path).unwrap());
        let graph =
            Graph::read(bytes.clone(), path.parent().unwrap()).unwrap_or_else(|error| panic!("{error}"));
        let port = |(tensor, array): (&Tensor, &Array)| Port {
            name: tensor.name.clone(),
            element: array.values.element(),
            shape: array.shape.clone(),
        };
        let wanted = Wanted {
            graph: Arc::new(graph),
            bytes,
            inputs: about.inputs.iter().zip(&inputs).map(port).collect(),
            outputs: about.outputs.iter().map(|tensor| tensor.name.clone()).collect(),
        };
        (wanted, inputs, outputs)
    }

    /// The ways to this server.
    fn ways(&self, model: &str, binary: bool) -> Vec<(&'static str, Settings)> {
        let new = |url: &str, encoding| Settings {
            encoding,
            timeout: Duration::from_secs(20),
            ..Settings::new(url, model)
        };
        let mut ways = vec![("HTTP, JSON", new(&self.http, Encoding::Json))];
        if binary {
            ways.push(("HTTP, bytes", new(&self.http, Encoding::Binary)));
        }
        ways.push(("gRPC", new(&self.grpc, Encoding::Auto)));
        ways
    }
}

/// What comes back has to be what onnxruntime made of it here, bit for bit: nothing is lost on the way.
fn equals_onnxruntime(server: &str, binary: bool) {
    let Some(real) = start(server) else { return };
    for (name, path) in models() {
        let (wanted, inputs, outputs) = real.model(&name, &path);
        for (way, settings) in real.ways(&name, binary) {
            let remote = Remote::connect(&settings).unwrap_or_else(|why| panic!("{server}, {way}: {why}"));
            let session = wanted.load(&remote).unwrap_or_else(|why| panic!("{server}, {way}: {why}"));
            let given: Vec<_> = inputs.iter().collect();
            let came = session.run(&given).unwrap_or_else(|why| panic!("{server}, {way}: {why:?}"));
            assert!(came == outputs, "{server}, {way}: `{name}` differs from onnxruntime");
            eprintln!("{server}, {way}: `{name}` equals onnxruntime; {}", remote.device().version);
            remote.probe().unwrap_or_else(|why| panic!("{server}, {way}: {why}"));
        }
        let wrong = Settings::new(&real.http, format!("{name}-not"));
        let why = Remote::connect(&wrong).err().unwrap();
        assert!(why.contains("it is not ready"), "{why}");
        eprintln!("{why}");
        let why = Remote::connect(&Settings::new(&real.grpc, format!("{name}-not"))).err().unwrap();
        assert!(why.contains("it is not ready"), "{why}");
        eprintln!("{why}");
    }
}

#[test]
fn mlserver_equals_onnxruntime() {
    equals_onnxruntime("mlserver", false);
}

#[test]
fn kserve_equals_onnxruntime() {
    equals_onnxruntime("kserve", true);
}

#[test]
fn triton_equals_onnxruntime() {
    equals_onnxruntime("triton", true);
}

/// `cargo test -p transom --release remote::tests::real::measure -- --ignored --nocapture`
#[test]
#[ignore = "measures, and prints"]
fn measure() {
    for (server, binary) in [("mlserver", false), ("kserve", true), ("triton", true)] {
        let Some(real) = start(server) else { continue };
        for (name, path) in models() {
            let (wanted, inputs, _) = real.model(&name, &path);
            let given: Vec<_> = inputs.iter().collect();
            for (way, settings) in real.ways(&name, binary) {
                let remote = Remote::connect(&settings).unwrap();
                let session = wanted.load(&remote).unwrap();
                let mut times: Vec<Duration> = (0..40)
                    .map(|_| {
                        let began = std::time::Instant::now();
                        session.run(&given).unwrap();
                        began.elapsed()
                    })
                    .collect();
                times.drain(..10);
                times.sort_unstable();
                eprintln!("{server:9} {name:12} {way:12} median {:?}, p95 {:?}", times[15], times[28]);
            }
        }
    }
}
