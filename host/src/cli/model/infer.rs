//! `transom model infer`: tensors in, tensors out.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::{Error, Kind, Result, watch_memory};
use crate::model;
use crate::model::tensor::shown;

use super::super::terminal;
use super::{On, npy, print};

/// Runs an ONNX file once. Its inputs come from .npy files, whose sizes fix what the graph leaves open; its
/// outputs are written as .npy files, named after them.
#[derive(clap::Args)]
pub(super) struct Infer {
    /// The ONNX file
    file: PathBuf,
    /// A tensor for an input of the graph
    #[arg(long, value_name = "NAME=FILE.npy", value_parser = pair)]
    input: Vec<(String, PathBuf)>,
    /// The folder the outputs go to; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    on: On,
}

fn pair(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("the name of an input, `=`, and a .npy file".to_owned()),
    }
}

impl Infer {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let mut inputs = Vec::new();
        for (name, file) in self.input {
            let array = npy::read(&file)?;
            if inputs.iter().any(|(other, _)| *other == name) {
                return Err(Error::usage(format!("`--input {name}=…` is given twice")));
            }
            inputs.push((name, array));
        }
        let size = std::fs::metadata(&self.file).map_or(0, |data| data.len());
        let (most, file) = (model::most_memory(size), self.file.display().to_string());
        watch_memory(most, move || {
            terminal::say(&format!(
                "error: {file}: it took more than the {} MiB of memory that it may take",
                most >> 20
            ));
            std::process::exit(i32::from(Kind::Model.exit_code()));
        });
        let ran = model::infer_file(&self.file, inputs, &self.on.loading()?)?;
        std::fs::create_dir_all(&self.output).map_err(|error| {
            Error::sink(format!("{}: the folder cannot be made: {error}", self.output.display()))
        })?;
        let mut written = Vec::new();
        let mut said = format!("ran on {}\n", ran.device);
        for (name, array) in &ran.outputs {
            let mut path = self.output.join(format!("{}.npy", file_name(name)));
            // Two names may differ in nothing that a path keeps.
            let mut number = 2;
            while written.contains(&path) {
                path = self.output.join(format!("{}-{number}.npy", file_name(name)));
                number += 1;
            }
            npy::write(&path, array)?;
            said.push_str(&format!(
                "{}: {} of {}\n",
                path.display(),
                shown(&array.shape),
                array.values.element().as_str()
            ));
            written.push(path);
        }
        print(&said)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// An output's name as a file's: what a path would take apart is an underscore.
fn file_name(output: &str) -> String {
    let plain: String =
        output.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    match plain.trim_start_matches('.') {
        "" => "output".to_owned(),
        plain => plain.chars().take(200).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_s_name_stays_in_the_folder() {
        for (output, file) in [
            ("output0", "output0"),
            ("a/b:0", "a_b_0"),
            ("../../x", "_.._x"),
            ("..", "output"),
            ("", "output"),
        ] {
            assert_eq!(file_name(output), file);
        }
    }
}
