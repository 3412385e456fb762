//! Compiles activations: which correlations events can reach that match given detections, and what these look at.
use super::{Activation, CohortKey, Engine, KeySpec, NodeInput, Projection, first_eight};
use crate::model::Field;
use crate::operator::{ComparedWith, Reads, Terms, each};
use crate::policy::{Body, FieldRef};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Engine {
    /// The activation of these detections. Its projections are shared with the activations compiled before, by `known`.
    pub(super) fn compile(&self, matches: &[u16], known: &mut Vec<Arc<Projection>>) -> Activation {
        let mut draft = Draft::default();
        // the rules that hold at every event of the activation
        let mut always: BTreeSet<u16> = matches.iter().copied().collect();
        let mut reached: Vec<(u16, u16)> = Vec::new();
        for &i in matches {
            reached.extend(&self.dependents[i as usize]);
        }
        // a rule only ever refers to rules before it, so the list grows towards higher indices and ends
        let mut next = 0;
        while next < reached.len() {
            let (policy, _) = reached[next];
            next += 1;
            reached.extend(&self.dependents[policy as usize]);
        }
        reached.sort_unstable();
        reached.dedup();
        for &i in matches {
            if self.set.rules[i as usize].alerts {
                draft.add(self, (i, 0), KeySpec::Subject, Reads::default(), [true, true]);
            }
        }
        for (policy, via) in reached {
            let Body::Correlation(correlation) = &self.set.rules[policy as usize].body else { continue };
            let direct = always.contains(&(correlation.rules[usize::from(via)] as u16));
            // one that groups by something is not reached by events that lack it
            let is_or = each!(&correlation.kind, operator => operator.is_or());
            if direct && is_or && correlation.group_by.is_empty() {
                always.insert(policy);
            }
            let fields = correlation.group_by.iter().map(|key| key.fields[usize::from(via)]).collect();
            let stateful = self.set.rules[policy as usize].alerts || !is_or;
            let reads = each!(&correlation.kind, operator => operator.reads());
            draft.add(self, (policy, via), KeySpec::Fields(fields), reads, [direct, stateful]);
        }
        draft.finish(matches, known)
    }
}

/// An activation that is being compiled.
#[derive(Default)]
struct Draft {
    inputs: Vec<NodeInput>,
    projections: Vec<Projection>,
}

impl Draft {
    fn add(
        &mut self,
        engine: &Engine,
        (policy, via): (u16, u16),
        key: KeySpec,
        reads: Reads<'_>,
        [direct, stateful]: [bool; 2],
    ) {
        let values = reads.value;
        let wide = values.iter().any(|field| !is_of_origin(field));
        let number = self.projections.iter().position(|p| p.key == key && p.wide == wide).unwrap_or_else(|| {
            let fields = key.fields();
            self.projections.push(Projection {
                key,
                wide,
                fields,
                tuples: Vec::new(),
                inputs: Vec::new(),
                direct: Vec::new(),
            });
            self.projections.len() - 1
        });
        let projection = &mut self.projections[number];
        projection.fields.extend(values);
        let tuple = projection.tuple(values);
        let cohort = match reads.cohort {
            ComparedWith::Peers(peers) => {
                projection.fields.extend(peers);
                projection.tuple(peers).map_or(CohortKey::Nothing, CohortKey::Peers)
            }
            ComparedWith::Users => CohortKey::Crowd,
            ComparedWith::Nobody => CohortKey::Nothing,
        };
        let prefix = first_eight(&engine.set.rules[policy as usize].accumulation.0);
        let projection = number as u16;
        self.inputs.push(NodeInput { policy, via, projection, place: 0, direct, stateful, prefix, tuple, cohort });
    }

    /// Puts the inputs in order, and shares the projections with the activations `known` so far.
    fn finish(mut self, matches: &[u16], known: &mut Vec<Arc<Projection>>) -> Activation {
        self.inputs.sort();
        for input in &mut self.inputs {
            let projection = &mut self.projections[usize::from(input.projection)];
            input.place = projection.inputs.len() as u16;
            // which of an activation's projections it is does not tell projections apart
            projection.inputs.push(NodeInput { projection: 0, ..*input });
            projection.direct.extend(input.direct.then_some(input.place));
        }
        let share = |projection: Projection| {
            let number = known.iter().position(|k| **k == projection).unwrap_or_else(|| {
                known.push(Arc::new(projection));
                known.len() - 1
            });
            (number as u32, known[number].clone())
        };
        let projections = self.projections.into_iter().map(share).collect();
        Activation { matches: matches.to_vec(), inputs: self.inputs, projections }
    }
}

impl Projection {
    /// Which of its tuples those fields are; nothing where there are none.
    fn tuple(&mut self, fields: &[FieldRef]) -> Option<u16> {
        if fields.is_empty() {
            return None;
        }
        let at = self.tuples.iter().position(|known| known == fields).unwrap_or_else(|| {
            self.tuples.push(fields.to_vec());
            self.tuples.len() - 1
        });
        Some(at as u16)
    }
}

/// Whether it says who acts or from where: what stays the same for hours.
fn is_of_origin(field: &FieldRef) -> bool {
    use Field::*;
    matches!(
        field,
        FieldRef::Known(
            ActorName
                | ActorUid
                | ActorType
                | ActorRole
                | ActorVouched
                | SessionUid
                | SessionVouched
                | SessionUnconfirmed
                | SessionOrNetwork
                | Ip
                | Prefix
                | AsNumber
                | AsName
                | Country
                | City
                | Listed
                | UserAgent
                | DeviceFamily
                | DeviceOs
                | DeviceVersion
                | DeviceType
        )
    )
}
