//! Where this program keeps things, and where it is itself.

use std::path::{Path, PathBuf};

use crate::base::{Error, Result};
use crate::plugin::Compiler;

/// The folder for what outlives a run: the XDG Base Directory Specification's state folder. None where the
/// environment names none.
pub(super) fn state_folder() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("XDG_STATE_HOME")
        .or_else(|| Some(folder("HOME")?.join(".local/state")))
        .map(|state| state.join("transom"))
}

/// A compiler in processes of their own, its results kept in `state`.
pub(super) fn apart(state: Option<&Path>) -> Result<Compiler> {
    Ok(Compiler::Apart { program: this_program()?, cache: state.map(|state| state.join("code")) })
}

/// This program's own file.
pub(super) fn this_program() -> Result<PathBuf> {
    std::env::current_exe()
        .map_err(|error| Error::internal(format!("this program cannot find itself: {error}")))
}
