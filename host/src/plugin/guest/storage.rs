//! `storage`: keys and values that outlive the plugin.

use std::sync::Arc;

use super::Guest;
use crate::plugin::bindings::transom::app::storage::{Host, StorageError as Told};
use crate::plugin::ledger::Limit;
use crate::plugin::storage::{Storage, StorageError};

impl Guest {
    /// Off the plugin's clock: how long a disk takes is not its fault.
    fn store<T>(
        &mut self,
        changes: bool,
        work: impl FnOnce(&Storage) -> Result<T, StorageError>,
    ) -> wasmtime::Result<Result<T, Told>> {
        let Some(storage) = self.setup.storage.clone() else {
            return Ok(Err(Told::Failed("this plugin has no storage".to_owned())));
        };
        if changes && !self.ledger.take(Limit::StorageWrites, 1) {
            return Ok(Err(Told::Busy));
        }
        let done = self.wait(|| work(&storage))?;
        self.note(&storage);
        Ok(done.map_err(|error| self.told(error)))
    }

    fn note(&self, storage: &Arc<Storage>) {
        let report = storage.report();
        self.ledger.peak(Limit::StorageBytes, report.bytes as f64);
        self.ledger.peak(Limit::StorageEntries, report.entries as f64);
    }

    fn told(&mut self, error: StorageError) -> Told {
        match error {
            StorageError::BadArgument(why) => Told::BadArgument(why),
            StorageError::QuotaBytes(why) => {
                self.ledger.refuse(Limit::StorageBytes, 1);
                Told::Quota(why)
            }
            StorageError::QuotaEntries(why) => {
                self.ledger.refuse(Limit::StorageEntries, 1);
                Told::Quota(why)
            }
            StorageError::Failed(why) => {
                self.storage_failures += 1;
                // Powers of two: a plugin that tries again and again does not fill the log.
                if self.storage_failures.is_power_of_two() {
                    let count = self.storage_failures;
                    self.setup.warn(&format!("its storage failed ({count} times so far): {why}"));
                }
                Told::Failed("the host could not read or write".to_owned())
            }
        }
    }
}

impl Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Told>> {
        self.store(false, |storage| storage.get(&key))
    }

    fn put(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), Told>> {
        self.store(true, |storage| storage.put(&key, &value))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, Told>> {
        self.store(true, |storage| storage.delete(&key))
    }

    fn list(
        &mut self,
        prefix: String,
        after: Option<String>,
        most: u32,
    ) -> wasmtime::Result<Result<Vec<String>, Told>> {
        self.store(false, |storage| storage.list(&prefix, after.as_deref(), most))
    }
}
