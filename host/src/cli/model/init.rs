//! `transom model init`: a first `model.toml`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::base::{Error, Result};
use crate::model;

use super::print;

/// Writes a first model.toml beside an ONNX file, from what its graph shows, and says how sure each guess is.
/// Nothing that is there is overwritten.
#[derive(clap::Args)]
pub(super) struct Init {
    /// The ONNX file
    file: PathBuf,
    /// Print it instead of writing it
    #[arg(long)]
    print: bool,
}

impl Init {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let guess = model::guess(&self.file)?;
        if self.print {
            print(&guess.toml)?;
            return Ok(ExitCode::SUCCESS);
        }
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let toml = folder.join("model.toml");
        create(&toml, &guess.toml)?;
        let mut said = format!("{}: written\n", toml.display());
        if let Some(labels) = &guess.labels {
            let path = folder.join("labels.txt");
            if path.exists() {
                said.push_str(&format!("{}: was there already, and is left as it is\n", path.display()));
            } else {
                create(&path, labels)?;
                said.push_str(&format!("{}: written; put the classes' names there\n", path.display()));
            }
        }
        said.push_str(&guess.said);
        said.push_str(&format!(
            "next: correct what is a guess, then `transom model check {}`\n",
            shown(folder)
        ));
        print(&said)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn shown(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { ".".to_owned() } else { folder.display().to_string() }
}

fn create(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        Error::sink(match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!("{}: is there already; move it away, or use `--print`", path.display())
            }
            _ => format!("{}: cannot be written: {error}", path.display()),
        })
    })?;
    file.write_all(text.as_bytes())
        .map_err(|error| Error::sink(format!("{}: cannot be written: {error}", path.display())))
}
