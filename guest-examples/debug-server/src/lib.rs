//! A debug server: `GET /status` says what the plugin has seen, `POST /restart` starts it anew. What it has
//! counted over all its lives it keeps in storage.

use transom_sdk::serve::{Request, Response};
use transom_sdk::{Frame, FrameInfo, Plugin, Serve, Setup, storage};

/// Where the number of starts is kept.
const STARTS: &str = "starts";

struct DebugServer {
    cameras: usize,
    starts: u32,
    frames: u32,
    newest: Option<FrameInfo>,
    restart: bool,
}

impl Plugin for DebugServer {
    fn configure(setup: Setup) -> Result<Self, String> {
        let kept = storage::get(STARTS)?.and_then(|bytes| bytes.try_into().ok());
        let starts = kept.map_or(0, u32::from_le_bytes) + 1;
        storage::put(STARTS, &starts.to_le_bytes())?;
        Ok(DebugServer { cameras: setup.cameras().len(), starts, frames: 0, newest: None, restart: false })
    }

    fn on_frame(&mut self, _: &Frame, info: &FrameInfo) -> Result<(), String> {
        if self.restart {
            // The host starts it again with fresh memory.
            std::process::exit(0);
        }
        self.frames += 1;
        self.newest = Some(*info);
        Ok(())
    }
}

impl Serve for DebugServer {
    fn on_request(&mut self, request: &Request) -> Response {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/status") => Response::json(200, self.status()),
            ("POST", "/restart") => {
                self.restart = true;
                Response::text(202, "it starts again with the next frame\n")
            }
            (_, "/status" | "/restart") => Response::text(405, "GET /status or POST /restart\n"),
            _ => Response::text(404, "GET /status or POST /restart\n"),
        }
    }
}

impl DebugServer {
    fn status(&self) -> String {
        let newest = self.newest.map_or_else(
            || "null".to_owned(),
            |info| {
                format!(
                    r#"{{"camera":{},"sequence":{},"captured_at_us":{},"width":{},"height":{}}}"#,
                    info.camera, info.sequence, info.captured_at_us, info.width, info.height
                )
            },
        );
        format!(
            "{{\"starts\":{},\"cameras\":{},\"frames\":{},\"newest\":{newest}}}\n",
            self.starts, self.cameras, self.frames
        )
    }
}

transom_sdk::export!(DebugServer, serve);
