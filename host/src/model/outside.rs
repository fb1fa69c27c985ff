//! Models without an app: what can run a file, and one inference of it.

use std::path::Path;
use std::sync::Arc;

use super::backend::{Backend, RunError, Session, Source};
use super::description::Description;
use super::engine::{Engine, File, judge};
use super::gate::{self, Candidate, Question};
use super::loading::Loading;
use super::onnx::Named;
use super::tensor::{Array, Port, shown};
use super::{Report, about};
use crate::base::{Error, Result};

/// What one inference gave.
pub struct Ran {
    /// What ran it: `rten on cpu`.
    pub device: String,
    /// The outputs with their names, in the graph's order.
    pub outputs: Vec<(String, Array)>,
}

/// Compares everything that may run a model: of a folder with a `model.toml`, of that file, or of an ONNX file
/// alone, whose open sizes are 1 then.
///
/// # Errors
/// What is wrong with the files; that nothing runs it is a report, not an error.
pub fn check(path: &Path, loading: &Loading) -> Result<Report> {
    // What is asked for is found out anew.
    let loading = Loading { verdicts: None, try_remote: true, ..loading.clone() };
    if is_onnx(path) {
        let within = about(path);
        let file = File::read(path).map_err(within)?;
        let inputs = file.graph.ports(&[]).map_err(within)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let loading = loading.named(&stem);
        let question = Question {
            name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            wanted: loading.wanted(),
            thorough: loading.thorough,
            ..asked(&file, inputs, loading.threads)
        };
        return judge(&question, path, &loading).map(|verdict| verdict.report).map_err(within);
    }
    let description = Description::read(path)?;
    let within = about(&description.file);
    let engine = Engine::of(&description, &loading).map_err(within)?;
    super::Readout::new(&description, engine.outputs(), engine.trial()).map_err(within)?;
    Ok(engine.report().clone())
}

fn is_onnx(path: &Path) -> bool {
    !path.is_dir() && path.extension().is_none_or(|kind| kind != "toml")
}

/// All outputs of a file for these inputs.
pub(super) fn asked(file: &File, inputs: Vec<Port>, threads: usize) -> Question {
    Question {
        name: String::new(),
        digest: file.digest.clone(),
        graph: Arc::clone(&file.graph),
        bytes: file.bytes.clone(),
        inputs,
        outputs: file.graph.outputs.iter().map(|output| output.name.clone()).collect(),
        threads,
        fills: Vec::new(),
        natural: Vec::new(),
        wanted: None,
        thorough: false,
    }
}

/// Runs an ONNX file once on tensors for its inputs, which fix what the graph leaves open. It runs on what is
/// trusted most, or on the back end `loading` names, whose answer is compared with that of one that is trusted more, if
/// one runs it.
///
/// # Errors
/// What is wrong with the file or the inputs, why no back end runs it, or that the one asked for is wrong.
pub fn infer_file(path: &Path, given: Vec<(String, Array)>, loading: &Loading) -> Result<Ran> {
    let within = about(path);
    let file = File::read(path).map_err(within)?;
    let ports = ports(&file, &given).map_err(within)?;
    let question = asked(&file, ports, loading.threads);
    let inputs = in_order(&question, given).map_err(within)?;
    let (candidates, wanted) = (loading.candidates()?.all, loading.wanted());
    let is_chosen = |candidate: &&Candidate| match &wanted {
        Some(wanted) => gate::is_called(candidate.backend.device(), wanted),
        None => gate::trust(candidate.backend.device()).is_some(),
    };
    let mut chosen: Vec<&Candidate> = candidates.iter().filter(is_chosen).collect();
    chosen.sort_by_key(|candidate| doubt(candidate));
    let mut reasons = Vec::new();
    for candidate in chosen {
        let device = gate::label(candidate.backend.device());
        match once(&*candidate.backend, &question, &inputs) {
            Ok(outputs) => {
                compare(candidate, &outputs, &candidates, &question, &inputs).map_err(within)?;
                let outputs = question.outputs.iter().cloned().zip(outputs).collect();
                return Ok(Ran { device, outputs });
            }
            Err(why) => reasons.push(format!("{device}: {why}")),
        }
    }
    Err(within(Error::model(format!("no back end runs it: {}", reasons.join("; ")))))
}

/// How little a back end is trusted: what is trusted most comes first.
fn doubt(candidate: &Candidate) -> u8 {
    gate::trust(candidate.backend.device()).unwrap_or(u8::MAX)
}

/// Compares an answer with that of the first which is trusted more and runs the graph. One that is trusted by itself
/// may stand alone.
fn compare(
    chosen: &Candidate,
    outputs: &[Array],
    all: &[Candidate],
    question: &Question,
    inputs: &[Array],
) -> Result<()> {
    let mut others: Vec<&Candidate> = all.iter().filter(|other| doubt(other) < doubt(chosen)).collect();
    others.sort_by_key(|other| doubt(other));
    for other in others {
        if let Ok(wants) = once(&*other.backend, question, inputs) {
            return gate::compare_all(&question.outputs, &wants, outputs, chosen.precision)
                .map(drop)
                .map_err(|differs| {
                    Error::model(format!(
                        "{} gives another answer than {}, so it is not to be used: {}",
                        gate::label(chosen.backend.device()),
                        gate::label(other.backend.device()),
                        differs.why
                    ))
                });
        }
    }
    if gate::trust(chosen.backend.device()).is_some() {
        return Ok(());
    }
    Err(Error::model(format!(
        "{} answers, but nothing on the processor runs it, so nothing can confirm it",
        gate::label(chosen.backend.device())
    )))
}

fn once(backend: &dyn Backend, question: &Question, inputs: &[Array]) -> Result<Vec<Array>, String> {
    let source: Source<'_> = question.source();
    let session: Box<dyn Session> = backend.load(&source)?;
    let given: Vec<&Array> = inputs.iter().collect();
    session.run(&given).map_err(|error| match error {
        RunError::Failed(why) | RunError::Lost(why) | RunError::Busy(why) => why,
    })
}

/// The graph's inputs, their open sizes as those given have them.
fn ports(file: &File, given: &[(String, Array)]) -> Result<Vec<Port>> {
    let fixed: Vec<(String, Vec<usize>)> =
        given.iter().map(|(name, array)| (name.clone(), array.shape.clone())).collect();
    let ports = file.graph.ports(&fixed)?;
    for input in &file.graph.inputs {
        if !given.iter().any(|(name, _)| *name == input.name) {
            return Err(Error::model(format!(
                "input `{}` is {}; give it with `--input {}=FILE.npy`",
                input.name, input.shown, input.name
            )));
        }
    }
    Ok(ports)
}

fn in_order(question: &Question, given: Vec<(String, Array)>) -> Result<Vec<Array>> {
    let mut given = given;
    let mut inputs = Vec::new();
    for port in &question.inputs {
        let at = given.iter().position(|(name, _)| *name == port.name);
        let Some((_, array)) = at.map(|at| given.swap_remove(at)) else {
            return Err(Error::model(format!("input `{}` is not given", port.name)));
        };
        if array.values.element() != port.element || array.shape != port.shape {
            return Err(Error::model(format!(
                "input `{}` is {} of {}, and {} of {} was given",
                port.name,
                port.element.as_str(),
                shown(&port.shape),
                array.values.element().as_str(),
                shown(&array.shape)
            )));
        }
        inputs.push(array);
    }
    Ok(inputs)
}

/// A first `model.toml`.
pub struct Guessed {
    /// Its text.
    pub toml: String,
    /// What belongs into `labels.txt` beside it; none: the model has no labels.
    pub labels: Option<String>,
    /// How sure each part is, for people; whole lines.
    pub said: String,
}

/// Guesses how an ONNX file is to be used.
///
/// # Errors
/// What is wrong with the file, or that no input of its can be a picture.
pub fn guess(path: &Path) -> Result<Guessed> {
    let within = about(path);
    let file = File::read(path).map_err(within)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain: String = stem
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c) { c } else { '-' })
        .take(64)
        .collect();
    let name = if plain.is_empty() { "model" } else { plain.as_str() };
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    let guess = file.graph.guess(&Named { name, file: &own, sha256: &file.sha256 }).map_err(within)?;
    let (width, height) = guess.size.value;
    let mut said =
        format!("read `{}` ({}): {}\n", guess.read.value, guess.read.sure.as_str(), guess.read.why);
    said += &format!("picture {width}x{height} ({}): {}\n", guess.size.sure.as_str(), guess.size.why);
    if let Some(classes) = guess.classes {
        let named =
            if guess.labels_made_up { "; the file does not name them" } else { ", named by the file" };
        said += &format!("{classes} classes{named}\n");
    }
    for doubt in &guess.doubts {
        said += &format!("look at this: {doubt}\n");
    }
    let labels = (!guess.labels.is_empty()).then(|| guess.labels.join("\n") + "\n");
    Ok(Guessed { toml: guess.toml, labels, said })
}
