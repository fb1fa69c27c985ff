//! Keeps the frame a plugin died on, where the owner wants that: the picture and the facts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::json;

use super::fault::Fault;
use super::{Setup, stream_name};
use crate::base::{Error, Result};
use crate::frame::{self, Frame};

/// Frames kept of one plugin: the newest.
const MOST_KEPT: usize = 20;
/// JPEG quality.
const QUALITY: u8 = 85;

/// A folder of evidence, `APP/PLUGIN/NUMBER-KIND.{jpg,json}`.
pub struct Evidence {
    folder: PathBuf,
    /// One writes at a time: numbers are given by looking at what is there.
    writing: Mutex<()>,
}

impl Evidence {
    /// Makes the folder.
    ///
    /// # Errors
    /// [`Kind::Sink`](crate::base::Kind::Sink) where that is not possible.
    pub fn open(folder: &Path) -> Result<Self> {
        private().create(folder).map_err(|error| {
            Error::sink(format!(
                "evidence cannot be kept in `{}`: {error}; name another folder",
                folder.display()
            ))
        })?;
        Ok(Self { folder: folder.to_owned(), writing: Mutex::new(()) })
    }

    /// Keeps `frame`. Where that fails, the owner is told, and nothing else is disturbed.
    pub(super) fn keep(&self, setup: &Setup, frame: &Frame, camera: u32, fault: &Fault) {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder.join(&*setup.app).join(&*setup.name);
        if let Err(why) = self.write(&folder, setup, frame, camera, fault) {
            setup.warn(&format!("the frame it died on cannot be kept in `{}`: {why}", folder.display()));
        }
    }

    fn write(
        &self,
        folder: &Path,
        setup: &Setup,
        frame: &Frame,
        camera: u32,
        fault: &Fault,
    ) -> std::result::Result<(), String> {
        let words = |error: std::io::Error| error.to_string();
        private().create(folder).map_err(words)?;
        let mut kept: Vec<String> = fs::read_dir(folder)
            .map_err(words)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
            .collect();
        kept.sort();
        let number = |name: &String| name.split('-').next()?.parse::<u64>().ok();
        let next = kept.last().and_then(number).map_or(0, |last| last + 1);
        let name = format!("{next:06}-{}", fault.kind.as_str());
        let jpeg = frame::jpeg(frame, None, 0, QUALITY).map_err(|error| format!("{error:?}"))?;
        write(&folder.join(&name).with_extension("jpg"), jpeg.as_slice()).map_err(words)?;
        let camera = setup.cameras.get(camera as usize).map(stream_name);
        let facts = json!({
            "app": &*setup.app, "plugin": &*setup.name, "camera": camera.as_deref(), "frame": frame.sequence,
            "media_time_us": frame.media_time_us, "captured_at_us": frame.captured_at_us,
            "width": frame.width(), "height": frame.height(),
            "fault": fault.kind.as_str(), "message": fault.message,
        });
        write(&folder.join(&name).with_extension("json"), format!("{facts:#}\n").as_bytes())
            .map_err(words)?;
        for old in kept.iter().take((kept.len() + 1).saturating_sub(MOST_KEPT)) {
            // One that cannot be removed is one too many, and the next look finds it again.
            let _ = fs::remove_file(folder.join(old).with_extension("json"));
            let _ = fs::remove_file(folder.join(old).with_extension("jpg"));
        }
        Ok(())
    }
}

/// Pictures of somebody's camera are for the owner's eyes.
fn private() -> fs::DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(bytes)
}
