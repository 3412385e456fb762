//! What was worked out lately, by the bytes that it was worked out from.
use crate::model::limits;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// What was worked out lately: what has not been asked for during two times [`limits::PROJECTED_VALUES`] others is forgotten.
#[derive(Debug)]
pub(super) struct TwoGenerationCache<V> {
    young: HashMap<Vec<u8>, V, FixedState>,
    old: HashMap<Vec<u8>, V, FixedState>,
}

impl<V> Default for TwoGenerationCache<V> {
    fn default() -> TwoGenerationCache<V> {
        TwoGenerationCache::new(0)
    }
}

impl<V> TwoGenerationCache<V> {
    /// Nothing yet. `seed` keys the maps and never changes a result.
    pub(super) fn new(seed: u64) -> TwoGenerationCache<V> {
        let map = || HashMap::with_hasher(FixedState::with_seed(seed));
        TwoGenerationCache { young: map(), old: map() }
    }

    /// What the key stands for, made where it is not remembered.
    pub(super) fn get(&mut self, key: &[u8], make: impl FnOnce() -> V) -> &mut V {
        if self.young.len() >= limits::PROJECTED_VALUES && !self.young.contains_key(key) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        let old = &mut self.old;
        self.young.entry_ref(key).or_insert_with(|| old.remove(key).unwrap_or_else(make))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_again_is_remembered_and_the_rest_forgotten() {
        let mut lately = TwoGenerationCache::new(7);
        lately.get(b"often", || 1);
        for n in 0..3 * limits::PROJECTED_VALUES as u32 {
            lately.get(&n.to_le_bytes(), || n);
            if n % 1000 == 0 {
                assert_eq!(*lately.get(b"often", || 2), 1);
            }
        }
        assert!(lately.young.len() + lately.old.len() <= 2 * limits::PROJECTED_VALUES + 1);
        assert_eq!(*lately.get(&0u32.to_le_bytes(), || 99), 99, "what nobody asked for is worked out anew");
    }
}
