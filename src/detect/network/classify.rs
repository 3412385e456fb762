//! [`Classifier`]: from an event to its activation, with what one thread has met before.
use super::cache::TwoGenerationCache;
use super::selecting::look;
use super::{Activation, ActivationBatch, ActivationRef, Engine, Projected, Projection};
use crate::model::Event;
use crate::policy::Body;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The activations and projected values of one engine that one thread has met, and the batch at hand. What an event means does not
/// depend on it.
#[derive(Debug, Default)]
pub struct Classifier {
    activations: Vec<Arc<Activation>>,
    projections: Vec<Arc<Projection>>,
    by_matches: BTreeMap<Vec<u16>, u32>,
    /// The activation, by the values that the detections look at.
    seen: TwoGenerationCache<Option<u32>>,
    /// By projection and the values under it.
    projected: TwoGenerationCache<Known>,
    batch: ActivationBatch,
    /// How many batches there were before.
    batches: u64,
    scratch: Vec<u8>,
}

/// A projected value, with the batch in which it was met last, and its number there.
#[derive(Debug)]
struct Known {
    projected: Arc<Projected>,
    batch: u64,
    at: u32,
}

impl Classifier {
    /// Nothing met yet. `seed` keys the maps, for attackers choose the values.
    pub fn new(seed: u64) -> Classifier {
        let (seen, projected) = (TwoGenerationCache::new(seed), TwoGenerationCache::new(seed));
        Classifier { seen, projected, ..Classifier::default() }
    }

    /// What the events classified since the last call mean.
    pub fn take_batch(&mut self) -> ActivationBatch {
        self.batches += 1;
        self.batch.activations.clone_from(&self.activations);
        std::mem::take(&mut self.batch)
    }
}

impl Engine {
    /// What the event means to the policies, whatever the state: an entry in the batch at hand.
    pub fn classify(&self, event: &Event, classifier: &mut Classifier) -> ActivationRef {
        let Some(number) = self.activation_of(event, classifier) else { return ActivationRef::default() };
        let Classifier { projected, batch, batches, scratch: key, .. } = classifier;
        let first = batch.values.len() as u32;
        for (number, projection) in &classifier.activations[number as usize].projections {
            key.clear();
            key.extend(number.to_le_bytes());
            look(event, &projection.fields, key);
            let new = || Known { projected: Arc::new(Projected::new(event, projection)), batch: u64::MAX, at: 0 };
            let known = projected.get(key, new);
            if known.batch != *batches {
                (known.batch, known.at) = (*batches, batch.projected.len() as u32);
                batch.projected.push(known.projected.clone());
            }
            batch.values.push(known.at);
        }
        ActivationRef(Some((number, first)))
    }

    /// The number of the activation of the detections that the event matches; nothing where it matches none.
    fn activation_of(&self, event: &Event, classifier: &mut Classifier) -> Option<u32> {
        let Some(fields) = self.selecting_of(&event.product).fields(event.activity) else {
            return self.match_all(event, classifier);
        };
        let mut key = std::mem::take(&mut classifier.scratch);
        key.clear();
        key.push(event.activity as u8);
        look(event, fields, &mut key);
        let mut seen = std::mem::take(&mut classifier.seen);
        let number = *seen.get(&key, || self.match_all(event, classifier));
        (classifier.seen, classifier.scratch) = (seen, key);
        number
    }

    fn match_all(&self, event: &Event, classifier: &mut Classifier) -> Option<u32> {
        let matches: Vec<u16> = self
            .selecting_of(&event.product)
            .detections(event.activity)
            .iter()
            .copied()
            .filter(|i| match &self.set.rules[usize::from(*i)].body {
                Body::Detection(matcher) => matcher.matches(event),
                Body::Correlation(_) => false,
            })
            .collect();
        if matches.is_empty() {
            return None;
        }
        if let Some(number) = classifier.by_matches.get(&matches) {
            return Some(*number);
        }
        let number = classifier.activations.len() as u32;
        let activation = self.compile(&matches, &mut classifier.projections);
        classifier.activations.push(Arc::new(activation));
        classifier.by_matches.insert(matches, number);
        Some(number)
    }
}
