//! Makes the hostile suite: turns each `tests/hostile/<name>.wat` into a component, and writes
//! `OUT_DIR/hostile.rs` with all of them, so that `transom prove` needs no file and no toolchain on the box.
//!
//! # A file
//! ```text
//! ;; An endless loop in `on-frame`.          what it tries, one sentence, for people
//! ;;! title = "an endless loop"              TOML; at most 40 characters
//! ;;! stopped = ["deadline"]                 what may stop it
//! (func (export "on-frame") (loop $again (br $again)))
//! ```
//! Also, where needed: `grants` (of the owner; default: none), `server` (below), `world` (default `plugin`),
//! `grown` (made by `prove/grown.rs`, not here), `wit` (packages of its own), `invalid = true` (breaks the
//! rules of WebAssembly, and means to).
//!
//! What follows are fields of a core module, of which `build/prelude.wat` makes a plugin: it says what is
//! there. Imports may leave out the version of their package. One `(component …)` beside the fields becomes
//! part of the plugin; alone it is the whole.
//!
//! `server` says what the first param, `url`, leads to. A path is one of the server the owner granted:
//! `/` answers, `/redirect` sends on to a host that is not granted, `/redirect-loop` to itself, `/slow`
//! answers a byte a second, `/silent` nothing, `/bomb` a body without an end, `/headers` headers without an end.
//! `dns:A,B` is a granted name whose lookups answer `A`, then `B` and no other; `granted` stands for the
//! server's address, and at the others, where something listens, it answers `!`.
//!
//! # What is written
//! `pub(super) static SUITE: &[Attack]`, in the order of the names. Who includes it has in scope
//! ```text
//! struct Attack {
//!     name: &'static str,                 the file's, without `.wat`
//!     title: &'static str,
//!     tries: &'static str,
//!     stopped: &'static [&'static str],
//!     grants: &'static [&'static str],
//!     server: Option<&'static str>,
//!     world: &'static str,                `plugin` or `plugin-http`
//!     body: Body,
//! }
//! enum Body { Component(&'static [u8]), Grown(&'static str) }
//! ```
//! A grown one is `grown::component(NAME, CARRIER)`; `CARRIER` is written too.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use wit_parser::Resolve;

#[path = "build/attack.rs"]
mod attack;
#[path = "build/forms.rs"]
mod forms;
#[allow(dead_code, reason = "the rest is for the binary")]
#[path = "src/cli/prove/grown.rs"]
mod grown;

/// Where the suite is, from here.
const SUITE: &str = "../tests/hostile";

/// What grown attacks are made of.
const CARRIER: &str = ";; Lives, and says so.
;;! title = \"the carrier of what is grown\"
;;! stopped = [\"load\"]
(func (export \"on-frame\") (call $escaped))
";

/// Who lives beside the attacks: it asks a model about every frame, and says that it did.
const NEIGHBOUR: &str = ";; Asks a model about every frame.
;;! title = \"the neighbour\"
;;! stopped = [\"cut\"]
;;! grants = [\"models\"]
(import \"transom:app/models\" \"[static]model.open\" (func $open (param i32 i32 i32)))
(import \"transom:app/models\" \"[method]model.detect\"
  (func $detect (param i32 i32 i32 f32 f32 f32 f32 i32 f32 i32)))
(data (i32.const 1024) \"personpresent\")
(func (export \"configure\") (call $open (i32.const 1024) (i32.const 6) (i32.const 256)))
(func (export \"on-frame\")
  ;; What was answered for the frame before is not needed any more.
  (global.set $heap (i32.const 65536))
  (call $detect (i32.load (i32.const 260)) (global.get $frame)
    (i32.const 0) (f32.const 0) (f32.const 0) (f32.const 0) (f32.const 0) (i32.const 0) (f32.const 0) (i32.const 272))
  (if (i32.eqz (i32.load8_u (i32.const 272))) (then (call $say (i32.const 1030)))))
";

/// What is wrong with a file.
#[derive(Debug)]
struct Broken {
    /// From 1.
    line: usize,
    words: String,
}

impl Broken {
    /// At a byte of `text`.
    fn at(text: &str, byte: usize, words: &str) -> Self {
        Self { line: text[..byte.min(text.len())].matches('\n').count() + 1, words: words.to_owned() }
    }
}

fn main() {
    // Folders are watched with all that is in them.
    println!("cargo::rerun-if-changed={SUITE}");
    println!("cargo::rerun-if-changed=../wit");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/cli/prove/grown.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut wit = Resolve::new();
    if let Err(error) = wit.push_path("../wit") {
        let words = format!("{error:#}").replace('\n', " ");
        println!("cargo::error={words}");
        return;
    }
    let files = match files() {
        Ok(files) => files,
        Err(error) => {
            println!("cargo::error={SUITE}: {error}");
            return;
        }
    };
    fs::create_dir_all(out.join("hostile")).expect("OUT_DIR can be written");
    let mut suite = String::from("/// Every attack, by name.\npub(super) static SUITE: &[Attack] = &[\n");
    for file in files {
        match entry(&file, &wit, &out) {
            Ok(entry) => suite += &entry,
            Err(Broken { line, words }) => {
                let file = file.strip_prefix("..").unwrap_or(&file).display();
                println!("cargo::error={file}:{line}: {}", words.replace('\n', " "));
            }
        }
    }
    suite += "];\n";
    for (name, what, text) in [
        ("CARRIER", "The plugin that attacks too large for the binary are made of.", CARRIER),
        ("NEIGHBOUR", "The well-behaved plugin beside them.", NEIGHBOUR),
    ] {
        let file = format!("hostile/{}.wasm", name.to_lowercase());
        match attack::Header::read(text).and_then(|header| attack::component(text, &header, &wit)) {
            Ok(component) => fs::write(out.join(&file), component).expect("OUT_DIR can be written"),
            Err(Broken { words, .. }) => println!("cargo::error={name}: {words}"),
        }
        write!(
            suite,
            "/// {what}\npub(super) static {name}: &[u8] =\n    \
             include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{file}\"));\n"
        )
        .expect("a string takes everything");
    }
    fs::write(out.join("hostile.rs"), suite).expect("OUT_DIR can be written");
}

/// The files of the suite, in the order of their names.
fn files() -> std::io::Result<Vec<PathBuf>> {
    let paths =
        fs::read_dir(SUITE)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "wat")).collect();
    files.sort();
    Ok(files)
}

/// Makes the component and gives its line in the list.
fn entry(file: &Path, wit: &Resolve, out: &Path) -> Result<String, Broken> {
    let text = fs::read_to_string(file).map_err(|error| Broken { line: 1, words: error.to_string() })?;
    let name = file.file_stem().and_then(|name| name.to_str()).expect("the suite's names are plain");
    let header = attack::Header::read(&text)?;
    let component = attack::component(&text, &header, wit)?;
    let made = format!("hostile/{name}.wasm");
    fs::write(out.join(&made), component).expect("OUT_DIR can be written");
    let body = match &header.grown {
        Some(grown) => format!("Body::Grown({grown:?})"),
        None => format!("Body::Component(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{made}\")))"),
    };
    let attack::Header { title, tries, stopped, grants, server, world, .. } = header;
    let mut entry = String::new();
    writeln!(
        entry,
        "    Attack {{ name: {name:?}, title: {title:?}, tries: {tries:?}, stopped: &{stopped:?}, \
         grants: &{grants:?}, server: {server:?}, world: {world:?}, body: {body} }},"
    )
    .expect("a string takes everything");
    Ok(entry)
}
