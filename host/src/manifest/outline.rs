//! What an app is called and what it has, before anything of it is checked.

use std::path::Path;

use super::report::Report;
use super::written::AppFile;
use super::{checked, document, schema};
use crate::base::{Error, Result};

/// The names in an `app.toml`, whether or not the rest of it is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The app's name.
    pub name: String,
    /// Of its cameras.
    pub cameras: Vec<String>,
    /// Of its models.
    pub models: Vec<String>,
    /// Of its params.
    pub params: Vec<String>,
}

impl Outline {
    /// Reads the app at `path`, a folder with an `app.toml` or such a file.
    ///
    /// # Errors
    /// Where there is nothing to read a name from; mistakes in the rest are [`App::load`](super::App::load)'s to
    /// tell.
    pub fn read(path: &Path) -> Result<Self> {
        let file = checked::find(path)?;
        let mut report = Report::default();
        let document = document::read::<AppFile>(&file, &schema::APP, &mut report);
        let outline = document.and_then(|document| {
            let names = |section| document.names(section).into_iter().map(str::to_owned).collect();
            Some(Self {
                name: (*document.written.app.as_ref()?.name).clone(),
                cameras: names("cameras"),
                models: names("models"),
                params: names("params"),
            })
        });
        match outline {
            Some(outline) => Ok(outline),
            None => {
                report.finish()?;
                Err(Error::manifest(format!("`{}` has no `[app]` with a `name`; add it", file.display())))
            }
        }
    }
}
