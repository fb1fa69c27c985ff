//! What has been computed from a frame is remembered with it, so that ten apps asking the same question
//! cost one answer. The second asker waits for the first one's work rather than doing it again.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

type Slot = Arc<OnceLock<Arc<dyn Any + Send + Sync>>>;

/// Results remembered per frame. A plugin that asks for more than this many regions of one frame gets its
/// answers still, but they are made anew each time.
const REMEMBERED: usize = 256;
/// Bytes of results remembered per frame, likewise.
const REMEMBERED_BYTES: usize = 32 << 20;

/// Remembered results of one frame, by key. Keys of different types never meet.
#[derive(Default)]
pub struct Memo {
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    count: usize,
    bytes: usize,
    /// By key type and hash; the keys of one hash are compared.
    buckets: HashMap<(TypeId, u64), Vec<(Key, Slot)>>,
}

type Key = Box<dyn Any + Send + Sync>;

impl Memo {
    /// The value for `key`: remembered, or made by `make` once, however many threads ask. `K` decides the
    /// type: one key type must always go with one value type. `bytes` is about what the value takes.
    ///
    /// # Panics
    /// Where `K` was used with another value type, a mistake of the code.
    pub fn get_or_make<K, V>(&self, key: K, bytes: usize, make: impl FnOnce() -> V) -> Arc<V>
    where
        K: Eq + Hash + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let slot = self.slot(key, bytes);
        let value = slot.get_or_init(|| Arc::new(make()));
        Arc::clone(value).downcast::<V>().expect("a memo key type has one value type")
    }

    fn slot<K: Eq + Hash + Send + Sync + 'static>(&self, key: K, bytes: usize) -> Slot {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (TypeId::of::<K>(), hasher.finish());
        for (known, slot) in slots.buckets.get(&at).into_iter().flatten() {
            if known.downcast_ref::<K>() == Some(&key) {
                return Arc::clone(slot);
            }
        }
        let slot = Slot::default();
        if slots.count < REMEMBERED && slots.bytes.saturating_add(bytes) <= REMEMBERED_BYTES {
            slots.count += 1;
            slots.bytes += bytes;
            slots.buckets.entry(at).or_default().push((Box::new(key), Arc::clone(&slot)));
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_is_answered_once() {
        let memo = Memo::default();
        let mut asked = 0;
        for _ in 0..3 {
            let answer = memo.get_or_make(7_u32, 5, || {
                asked += 1;
                "seven".to_owned()
            });
            assert_eq!(*answer, "seven");
        }
        assert_eq!(*memo.get_or_make(8_u32, 5, || "eight".to_owned()), "eight");
        assert_eq!(asked, 1);
    }

    #[test]
    fn what_would_take_too_much_memory_is_made_anew() {
        let memo = Memo::default();
        let made = |key: u32, bytes| {
            let mut made = false;
            memo.get_or_make(key, bytes, || made = true);
            made
        };
        assert!(made(1, REMEMBERED_BYTES - 8) && !made(1, REMEMBERED_BYTES - 8));
        assert!(made(2, 9) && made(2, 9) && made(3, 8) && !made(3, 8));
        let memo = Memo::default();
        let made = |key: u32| {
            let mut made = false;
            memo.get_or_make(key, 1, || made = true);
            made
        };
        assert!((0..1_000).all(made));
        assert!(!made(255) && made(256));
    }
}
