//! What a plugin keeps: keys and values that outlive it, within the quota its owner granted. Owns one file a
//! plugin, `STATE/apps/APP/PLUGIN/storage.redb`, in a folder no link leads out of. Knows nothing of WIT, of
//! grants or of how often a plugin may write: whoever calls does.
//!
//! A change that was answered is on the disk; one that was not has happened whole or not at all. The file is
//! checked whole when it is opened; not again when it is read, so a disk that goes bad meanwhile may be noticed
//! only at the next start. A disk that is full, or that fails, is a [`StorageError::Failed`] for as long as it
//! lasts: the file is opened anew at the next call.

mod file;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use redb::{Database, ReadableDatabase};

use crate::base::Result;
use file::{TABLE, Used};

const MOST_KEY_BYTES: usize = 256;
const MOST_VALUE_BYTES: usize = 1024 * 1024;
const MOST_KEYS_LISTED: u32 = 1000;

/// How much a plugin may keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Of all keys and values together.
    pub bytes: u64,
    /// How many keys.
    pub entries: u32,
}

/// What a plugin is told. No message holds a path of the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// The key, the value or the number breaks its rule.
    BadArgument(String),
    /// It would be more bytes than the quota; nothing has changed.
    QuotaBytes(String),
    /// It would be more entries than the quota; nothing has changed.
    QuotaEntries(String),
    /// The disk or the file on it failed: the owner should be told.
    Failed(String),
}

/// What is kept, and what was done since [`Storage::open`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StorageReport {
    /// Of all keys and values together.
    pub bytes: u64,
    /// How many keys.
    pub entries: u64,
    /// Puts and deletes that changed something.
    pub writes: u64,
    /// Puts that the quota refused.
    pub refused: u64,
}

/// The storage of one plugin. While it lives, nobody else opens the same.
#[derive(Debug)]
pub struct Storage {
    folder: File,
    quota: Quota,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None after a failure, until the next call opens it again.
    database: Option<Database>,
    used: Used,
    writes: u64,
    refused: u64,
}

impl Storage {
    /// Opens `folder` (`STATE/apps/APP/PLUGIN`), made with mode 0700 where it is missing. What is there already
    /// may be more than `quota`: it can be read, deleted and put smaller, not grow.
    ///
    /// # Errors
    /// The folder or the file is a link, damaged, of another kind, open already, or cannot be read or made.
    pub fn open(folder: &Path, quota: Quota) -> Result<Self> {
        let locked = file::lock_folder(folder)?;
        let (database, used) = file::open(&locked).map_err(|error| error.at(folder))?;
        let state = State { database: Some(database), used, writes: 0, refused: 0 };
        Ok(Self { folder: locked, quota, state: Mutex::new(state) })
    }

    /// The value of `key`, if it has one.
    ///
    /// # Errors
    /// [`StorageError::BadArgument`], [`StorageError::Failed`].
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        check_key(key)?;
        self.with(|database, _| {
            let table = database.begin_read()?.open_table(TABLE)?;
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    /// Gives `key` a value in place of the one it had. Blocks until it is on the disk.
    ///
    /// # Errors
    /// Any. After [`StorageError::Failed`] the key has the old value or the new one.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        check_key(key)?;
        if value.len() > MOST_VALUE_BYTES {
            let found = value.len();
            return bad(format!("a value is at most {MOST_VALUE_BYTES} bytes, this one has {found}"));
        }
        self.with(|database, state| {
            let old = entry_bytes(database, key)?;
            let used = Used {
                bytes: state.used.bytes.saturating_sub(old.unwrap_or(0)) + (key.len() + value.len()) as u64,
                entries: state.used.entries + u64::from(old.is_none()),
            };
            if let Some(refusal) = self.quota.refuses(state.used, used) {
                state.refused += 1;
                return Ok(Err(refusal));
            }
            file::change(database, |table| table.insert(key, value).map(drop))?;
            state.changed_to(used);
            Ok(Ok(()))
        })?
    }

    /// Takes `key` away, as lasting as [`Storage::put`]. Whether it was there.
    ///
    /// # Errors
    /// As [`Storage::put`], but none of the quota.
    pub fn delete(&self, key: &str) -> Result<bool, StorageError> {
        check_key(key)?;
        self.with(|database, state| {
            let Some(old) = entry_bytes(database, key)? else { return Ok(false) };
            file::change(database, |table| table.remove(key).map(drop))?;
            let Used { bytes, entries } = state.used;
            state.changed_to(Used { bytes: bytes.saturating_sub(old), entries: entries.saturating_sub(1) });
            Ok(true)
        })
    }

    /// Up to `most` keys that begin with `prefix`, in the order of their bytes, from the first behind `after`.
    ///
    /// # Errors
    /// [`StorageError::BadArgument`], [`StorageError::Failed`].
    pub fn list(&self, prefix: &str, after: Option<&str>, most: u32) -> Result<Vec<String>, StorageError> {
        if !(1..=MOST_KEYS_LISTED).contains(&most) {
            return bad(format!("a list is of 1 to {MOST_KEYS_LISTED} keys, `{most}` were asked for"));
        }
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.with(|database, _| {
            let table = database.begin_read()?.open_table(TABLE)?;
            let mut keys = Vec::new();
            for entry in table.range::<&str>((from, Bound::Unbounded))?.take(most as usize) {
                let (key, _) = entry?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                keys.push(key.value().to_owned());
            }
            Ok(keys)
        })
    }

    /// What may be kept.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// What is kept and what was done.
    pub fn report(&self) -> StorageReport {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Used { bytes, entries } = state.used;
        StorageReport { bytes, entries, writes: state.writes, refused: state.refused }
    }

    /// Runs `work` on the open database. After an error or a panic it is closed, since redb refuses to go on
    /// after one I/O error, and the next call opens, checks and counts it anew.
    fn with<T>(
        &self,
        work: impl FnOnce(&Database, &mut State) -> Result<T, redb::Error>,
    ) -> Result<T, StorageError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match state.database.take() {
            Some(database) => database,
            None => {
                let (database, used) =
                    file::open(&self.folder).map_err(|error| StorageError::Failed(error.to_string()))?;
                state.used = used;
                database
            }
        };
        // redb panics on some pages that were damaged after the check.
        let outcome = catch_unwind(AssertUnwindSafe(move || match work(&database, &mut state) {
            Ok(done) => {
                state.database = Some(database);
                Ok(done)
            }
            Err(error) => Err(StorageError::Failed(format!("the host could not read or write: {error}"))),
        }));
        outcome.unwrap_or_else(|_| Err(StorageError::Failed("the host could not read its file".to_owned())))
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // Closing writes, and so may meet the same pages; the file is checked when it is opened next.
        let database = self.state.get_mut().unwrap_or_else(PoisonError::into_inner).database.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

impl State {
    fn changed_to(&mut self, used: Used) {
        self.used = used;
        self.writes += 1;
    }
}

impl Quota {
    /// Why `after` may not follow `before`: it is over the quota, and is not less than it was.
    fn refuses(self, before: Used, after: Used) -> Option<StorageError> {
        let over = |what: &str, before: u64, after: u64, quota: u64| {
            (after > quota && after > before)
                .then(|| format!("{after} {what} are more than the {quota} granted; delete some"))
        };
        let bytes = over("bytes", before.bytes, after.bytes, self.bytes).map(StorageError::QuotaBytes);
        let entries = || over("entries", before.entries, after.entries, self.entries.into());
        bytes.or_else(|| entries().map(StorageError::QuotaEntries))
    }
}

fn entry_bytes(database: &Database, key: &str) -> Result<Option<u64>, redb::Error> {
    let table = database.begin_read()?.open_table(TABLE)?;
    Ok(table.get(key)?.map(|value| (key.len() + value.value().len()) as u64))
}

fn check_key(key: &str) -> Result<(), StorageError> {
    if !(1..=MOST_KEY_BYTES).contains(&key.len()) {
        return bad(format!("a key is 1 to {MOST_KEY_BYTES} bytes, this one has {}", key.len()));
    }
    if key.chars().any(char::is_control) {
        return bad("a key has no control characters".to_owned());
    }
    Ok(())
}

fn bad<T>(message: String) -> Result<T, StorageError> {
    Err(StorageError::BadArgument(message))
}
