//! Asks for what a plugin does not have, files and an environment, and refuses to start for want of the file.
//! A component that imports `wasi:filesystem` is loaded all the same, as the standard libraries of C, Python
//! and JavaScript import it whether they use it or not; what it finds there is empty.

use transom_sdk::{Frame, FrameInfo, Plugin, Setup};

const FILE: &str = "/etc/passwd";

struct ReadsFiles;

impl Plugin for ReadsFiles {
    fn configure(_: Setup) -> Result<Self, String> {
        if std::env::vars_os().next().is_some() || std::env::args_os().next().is_some() {
            return Err("broken: there is an environment".to_owned());
        }
        if std::fs::read_dir("/").is_ok() || std::fs::write("/tmp/note", "found").is_ok() {
            return Err("broken: there is a file system".to_owned());
        }
        match std::fs::read(FILE) {
            Ok(_) => Err(format!("broken: {FILE} was read")),
            Err(error) => Err(format!("{FILE}: {error}")),
        }
    }

    fn on_frame(&mut self, _: &Frame, _: &FrameInfo) -> Result<(), String> {
        Ok(())
    }
}

transom_sdk::export!(ReadsFiles);
