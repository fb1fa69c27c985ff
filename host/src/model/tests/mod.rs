mod answers;
mod apart;
mod graphs;
mod inputs;

use std::path::PathBuf;
use std::sync::Barrier;

use super::*;
use crate::frame::{Color, Matrix, Memo, Pool};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/model/testdata");

/// A model's folder, removed with this.
struct Folder(PathBuf);

impl Folder {
    fn new(toml: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("transom-model-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("model.toml"), toml).unwrap();
        std::fs::write(path.join("labels.txt"), "red\ngreen\nblue\n").unwrap();
        Folder(path)
    }

    /// What loading it says, the folder's own path left out.
    fn error(&self) -> String {
        let error = Model::load(&self.0, &loading()).err().expect("loading should have failed");
        assert_eq!(error.kind(), crate::base::Kind::Model);
        error.to_string().replace(&format!("{}/", self.0.display()), "").replace(&format!("{DATA}/"), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn toml(onnx: &str, input: &str, output: &str) -> String {
    format!(
        "[model]\nname = \"test\"\nfile = \"{DATA}/{onnx}\"\n\n[input]\nwidth = 8\nheight = 6\n{input}\n\n[output]\n{output}\n"
    )
}

/// On the built-in back end alone, whatever the machine has.
fn loading() -> Loading {
    Loading { only: Some("rten".to_owned()), ..Loading::default() }
}

fn load(onnx: &str, input: &str, output: &str) -> Model {
    Model::load(&Folder::new(&toml(onnx, input, output)).0, &loading()).unwrap()
}

fn asker() -> Asker {
    Asker::new("test")
}

fn error(onnx: &str, input: &str, output: &str) -> String {
    Folder::new(&toml(onnx, input, output)).error()
}

fn frame(width: u32, height: u32, luma: impl Fn(u32, u32) -> u8) -> Frame {
    let mut planes = Pool::default().take(width, height);
    let [y, u, v] = planes.yuv_mut();
    for (at, sample) in y.iter_mut().enumerate() {
        *sample = luma(at as u32 % width, at as u32 / width);
    }
    u.fill(100);
    v.fill(160);
    Frame {
        sequence: 0,
        media_time_us: 0,
        captured_at_us: 0,
        planes,
        color: Color { matrix: Matrix::Bt601, full_range: true },
        memo: Memo::default(),
    }
}

fn values(model: &Model, frame: &Frame) -> Vec<f32> {
    let tensors = model.infer(&asker(), frame, None).unwrap();
    assert_eq!((tensors.len(), tensors[0].name.as_str()), (1, "pixels"));
    tensors[0].data.clone()
}
