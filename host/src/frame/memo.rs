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

/// Remembered results of one frame, by key. Keys of different types never meet.
#[derive(Default)]
pub struct Memo {
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    count: usize,
    /// By key type and hash; the keys of one hash are compared.
    buckets: HashMap<(TypeId, u64), Vec<(Key, Slot)>>,
}

type Key = Box<dyn Any + Send + Sync>;

impl Memo {
    /// The value for `key`: remembered, or made by `make` once, however many threads ask. `K` decides the
    /// type: one key type must always go with one value type.
    ///
    /// # Panics
    /// Where `K` was used with another value type, a mistake of the code.
    pub fn get_or_make<K, V>(&self, key: K, make: impl FnOnce() -> V) -> Arc<V>
    where
        K: Eq + Hash + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let slot = self.slot(key);
        let value = slot.get_or_init(|| Arc::new(make()));
        Arc::clone(value).downcast::<V>().expect("a memo key type has one value type")
    }

    fn slot<K: Eq + Hash + Send + Sync + 'static>(&self, key: K) -> Slot {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Slots { count, buckets } = &mut *slots;
        let bucket = buckets.entry((TypeId::of::<K>(), hasher.finish())).or_default();
        for (known, slot) in bucket.iter() {
            if known.downcast_ref::<K>() == Some(&key) {
                return Arc::clone(slot);
            }
        }
        let slot = Slot::default();
        if *count < REMEMBERED {
            *count += 1;
            bucket.push((Box::new(key), Arc::clone(&slot)));
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
            let answer = memo.get_or_make(7_u32, || {
                asked += 1;
                "seven".to_owned()
            });
            assert_eq!(*answer, "seven");
        }
        assert_eq!(*memo.get_or_make(8_u32, || "eight".to_owned()), "eight");
        assert_eq!(asked, 1);
    }
}
