//! What is promised to whoever writes a manifest: the examples load, the published schemas are the code's,
//! every mistake has its sentence, and nothing a file holds makes the host fall over.

mod errors;
mod examples;
mod grants;
mod hostile;

use std::fs;
use std::path::{Path, PathBuf};

use super::{App, Overrides};

/// A small app without mistakes.
const GOOD_APP: &str = r#"[app]
name = "door"
version = "1.0.0"
title = "Door"

[cameras.entrance]

[models.detector]
path = "models/detector"

[params.threshold]
type = "float"
default = 0.5
min = 0.0
max = 1.0

[plugins.counter]
component = "counter.wasm"
models = ["detector"]
"#;

const GOOD_DEPLOY: &str = "[cameras.entrance]\nsource = \"door.mp4\"\n";

/// A folder of its own for one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("transom-manifest-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A folder with these two manifests.
    fn with(name: &str, app: &str, deploy: &str) -> Self {
        let folder = Self::new(name);
        folder.write("app.toml", app);
        folder.write("deploy.toml", deploy);
        folder
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn load(&self) -> Result<App, String> {
        self.load_with(&Overrides::default())
    }

    /// The app, or its messages without this folder's path.
    fn load_with(&self, overrides: &Overrides) -> Result<App, String> {
        App::load(&self.0, None, overrides).map_err(|error| self.strip(error.message()))
    }

    fn strip(&self, message: &str) -> String {
        message
            .replace(&format!("{}/", self.0.display()), "")
            .replace(&self.0.display().to_string(), "FOLDER")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
