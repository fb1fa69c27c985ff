//! Builds the guests the tests run: `cargo test` is all there is to type.

use std::path::Path;
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for source in ["guest-examples", "sdk", "wit"] {
        watch(&root.join(source));
    }
    let guests = root.join("guest-examples");
    let cargo = std::env::var_os("CARGO").expect("cargo runs build scripts");
    let mut build = Command::new(cargo);
    build
        .args(["build", "--release", "--target", "wasm32-wasip2", "--target-dir", "target"])
        .current_dir(&guests);
    // What was set for the host's build is not meant for the guests'.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_") && name != "CARGO_HOME" && !name.starts_with("CARGO_NET")
            || matches!(
                name.as_str(),
                "RUSTC" | "RUSTDOC" | "RUSTC_WRAPPER" | "RUSTC_WORKSPACE_WRAPPER" | "RUSTFLAGS"
            )
        {
            build.env_remove(name);
        }
    }
    let status = build.status().expect("cargo can be started");
    assert!(
        status.success(),
        "the guests in {} do not build; is the target there? `rustup target add wasm32-wasip2`",
        guests.display()
    );
    // As `transom run` does: sources that were only touched make nothing newer, and each run would ask cargo.
    for component in
        std::fs::read_dir(guests.join("target/wasm32-wasip2/release")).into_iter().flatten().flatten()
    {
        if component.path().extension().is_some_and(|kind| kind == "wasm") {
            let component =
                std::fs::File::options().append(true).open(component.path()).expect("a guest was built");
            component.set_modified(std::time::SystemTime::now()).expect("a file's date can be set");
        }
    }
}

/// Every file below `folder`, but for what builds leave: a folder as a whole would be watched with its `target`.
fn watch(folder: &Path) {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            watch(&path);
        } else if path.is_file() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
}
