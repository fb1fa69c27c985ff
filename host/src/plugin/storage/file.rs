//! The file and its folder: made, locked, checked, opened.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path};
use std::time::Duration;

use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, Table, TableDefinition};
use rustix::fs::{Mode, OFlags, mkdirat, openat, renameat};
use rustix::io::Errno;

use crate::base::{Error, Result};

pub(super) const TABLE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("storage");
const FILE: &str = "storage.redb";
/// The file until it is whole, so that one of no bytes is damage and never taken for a new one.
const UNFINISHED: &str = "storage.redb.new";
/// redb's own default is 1 GiB a database; a plugin that needs more has the page cache.
const CACHE_BYTES: usize = 1024 * 1024;

/// What the entries come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) bytes: u64,
    pub(super) entries: u64,
}

/// Why the file did not open. Its words hold no path, since a plugin may see them.
pub(super) enum OpenError {
    Damaged(String),
    OpenElsewhere,
    Failed(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(why) => write!(
                f,
                "the storage file is damaged ({why}); put a backup in its place, or move it away to start empty"
            ),
            Self::OpenElsewhere => {
                f.write_str("the storage is open already; stop the other `transom` that runs this app")
            }
            Self::Failed(why) => write!(f, "the storage file cannot be opened: {why}"),
        }
    }
}

impl OpenError {
    /// The same for the owner.
    pub(super) fn at(&self, folder: &Path) -> Error {
        Error::plugin(format!("`{}`: {self}", folder.join(FILE).display()))
    }
}

/// Opens and locks `folder`. Its last three names (`apps/APP/PLUGIN`) are ours and made where they are missing;
/// a link among them is refused. What leads to them is the owner's, who may use links.
pub(super) fn lock_folder(folder: &Path) -> Result<File> {
    let fails = |at: &Path, error: &dyn fmt::Display| {
        Error::plugin(format!("the storage folder `{}` cannot be used: {error}", at.display()))
    };
    let Some(state) = folder.ancestors().nth(3) else {
        return Err(fails(folder, &"it is not `STATE/apps/APP/PLUGIN`"));
    };
    let mut at = if state.as_os_str().is_empty() { Path::new(".") } else { state }.to_path_buf();
    DirBuilder::new().recursive(true).mode(0o700).create(&at).map_err(|error| fails(&at, &error))?;
    let mut opened = File::open(&at).map_err(|error| fails(&at, &error))?;
    for component in folder.strip_prefix(state).unwrap_or(folder).components() {
        let Component::Normal(name) = component else {
            return Err(fails(folder, &"it is not `STATE/apps/APP/PLUGIN`"));
        };
        at.push(name);
        opened = enter(&opened, name).map_err(|error| match error {
            Errno::NOTDIR | Errno::LOOP => fails(&at, &"it is a link or a file; put a folder there"),
            error => fails(&at, &error),
        })?;
    }
    let locked = patiently(|| match opened.try_lock() {
        Ok(()) => Ok(()),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::OpenElsewhere),
        Err(std::fs::TryLockError::Error(error)) => Err(OpenError::Failed(error.to_string())),
    });
    locked.map(|()| opened).map_err(|error| match error {
        OpenError::Failed(why) => fails(folder, &why),
        error => error.at(folder),
    })
}

/// Tries again for a moment where the storage is open already: a process that this one is just starting holds its
/// locks with it until it is another program (`flock(2)`, between fork and exec).
fn patiently<T>(mut open: impl FnMut() -> Result<T, OpenError>) -> Result<T, OpenError> {
    const TRIES: u32 = 20;
    for _ in 1..TRIES {
        match open() {
            Err(OpenError::OpenElsewhere) => std::thread::sleep(Duration::from_millis(5)),
            done => return done,
        }
    }
    open()
}

/// The folder `name` in `parent`, made where it is missing, and lasting from here on.
fn enter(parent: &File, name: &OsStr) -> Result<File, Errno> {
    match mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    rustix::fs::fsync(parent)?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty()).map(File::from)
}

/// Opens the file in the locked `folder`, made where it is missing, checks every page of it and counts its
/// entries. Never panics: redb does on some damage, as it does not check a page when it reads it.
pub(super) fn open(folder: &File) -> Result<(Database, Used), OpenError> {
    patiently(|| open_once(folder))
}

fn open_once(folder: &File) -> Result<(Database, Used), OpenError> {
    catch_unwind(AssertUnwindSafe(|| {
        let file = match open_file(folder, FILE, OFlags::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => {
                create(folder)?;
                open_file(folder, FILE, OFlags::empty())?
            }
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() == 0 {
            return Err(OpenError::Damaged("it is empty or no file".to_owned()));
        }
        let mut database = Builder::new().set_cache_size(CACHE_BYTES).create_file(file)?;
        if !database.check_integrity()? {
            return Err(OpenError::Damaged("its pages do not add up".to_owned()));
        }
        let used = count(&database)?;
        Ok((database, used))
    }))
    .unwrap_or_else(|_| Err(OpenError::Damaged("it makes no sense".to_owned())))
}

/// Makes the file under another name first: wherever this is stopped, there is a whole file or none.
fn create(folder: &File) -> Result<(), OpenError> {
    let file = open_file(folder, UNFINISHED, OFlags::CREATE | OFlags::TRUNC)?;
    let database = Builder::new().create_file(file)?;
    change(&database, |_| Ok(()))?;
    drop(database);
    renameat(folder, UNFINISHED, folder, FILE)?;
    Ok(folder.sync_all()?)
}

fn open_file(folder: &File, name: &str, flags: OFlags) -> Result<File, Errno> {
    let flags = flags | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

fn count(database: &Database) -> Result<Used, redb::Error> {
    let table = database.begin_read()?.open_table(TABLE)?;
    let mut used = Used::default();
    for entry in table.iter()? {
        let (key, value) = entry?;
        used.bytes += (key.value().len() + value.value().len()) as u64;
        used.entries += 1;
    }
    Ok(used)
}

/// Makes one change last. Two-phase, so that it never rests on a checksum that a plugin, who chooses the bytes,
/// could aim at: redb 4.4, `WriteTransaction::set_two_phase_commit`.
pub(super) fn change(
    database: &Database,
    work: impl FnOnce(&mut Table<'_, &str, &[u8]>) -> Result<(), redb::StorageError>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    work(&mut transaction.open_table(TABLE)?)?;
    Ok(transaction.commit()?)
}

impl From<redb::Error> for OpenError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::OpenElsewhere,
            // A file that ends too early, and one that never was a redb file.
            redb::Error::Io(error)
                if !matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) =>
            {
                error.into()
            }
            redb::Error::PreviousIo => Self::Failed(error.to_string()),
            error => Self::Damaged(error.to_string()),
        }
    }
}

impl From<DatabaseError> for OpenError {
    fn from(error: DatabaseError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<std::io::Error> for OpenError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Errno> for OpenError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::LOOP => Self::Failed("it is a link; put the file itself there".to_owned()),
            error => std::io::Error::from(error).into(),
        }
    }
}
