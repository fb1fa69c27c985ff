//! Opens a file, so that the component imports `wasi:filesystem`. A host that keeps its word refuses it when
//! the app is loaded, naming the import; where it is loaded after all, the file must not open.

use transom_sdk::{Frame, FrameInfo, Plugin, Setup};

struct ReadsFiles;

impl Plugin for ReadsFiles {
    fn configure(_: Setup) -> Result<Self, String> {
        match std::fs::read_to_string("/etc/passwd") {
            Ok(_) => panic!("a plugin read a file of the host"),
            Err(_) => Ok(ReadsFiles),
        }
    }

    fn on_frame(&mut self, _: &Frame, _: &FrameInfo) -> Result<(), String> {
        Ok(())
    }
}

transom_sdk::export!(ReadsFiles);
