//! Correlations that learn what is usual, and `absence`: each with a state of its own.
use super::absence::Silence;
use super::baseline::{Past, Sketch};
use super::crowd::{Use, Users};
use super::state::{Calm, State};
use super::travel::{Places, Sight, Spot};
use super::values::{Terms, Values};
use super::window::Entry;
use super::{Engine, Firing, Found, Place, SEPARATOR, amount, span_text};
use crate::model::{EventId, EventTime, Measure, Millis, Text};
use crate::policy::Correlation;
use crate::policy::extension::{Absence, Amount, Baseline, Crowd, NewValue, Travel};

/// What a new value is judged by.
pub(super) fn terms(correlation: &Correlation, new: &NewValue) -> Terms {
    Terms {
        history: correlation.timespan,
        learn_for: Millis::DAY.times(new.learning.days.into()),
        learn_observations: new.learning.observations,
        new_for: new.new_for,
    }
}

impl Engine {
    pub(super) fn new_value(
        &self,
        state: &mut State,
        place: &Place<'_>,
        (correlation, new): (&Correlation, &NewValue),
        time: EventTime,
        calm: &mut Calm,
        found: &mut Found,
    ) -> Option<EventTime> {
        let Place { event, step, part, slot, policy, .. } = place;
        let value = part.value?;
        let terms = terms(correlation, new);
        let values = state.get::<Values>(*slot);
        let evicted = values.evicted();
        let mut sight = values.observe(event.id, value, time, &terms);
        let (pressed, expires) = (values.evicted() > evicted, values.expires(&terms));
        // those whom it is old for say nothing of it
        if let Some(crowd) = new.crowd.as_ref().filter(|_| sight.new) {
            let used = self.crowd(state, place, crowd, time, calm);
            if used.others >= crowd.entities {
                self.crowd_began(state, place, (correlation, new), time, &used, found);
                (sight.new, sight.first) = (false, false);
                // it may be new again when the crowd has gone
                calm.limit(None);
            }
        }
        let values = state.get::<Values>(*slot);
        let fires = sight.new && policy.tells(event) && values.fire(&policy.decision, time.episode(policy.episode));
        if fires {
            let (known, usual) = values.usual(5, value);
            let usual = usual.join(", ").replace(SEPARATOR, " + ");
            let measure = Measure {
                what: self.names(&new.fields).into(),
                value: value.replace(SEPARATOR, " + ").into(),
                against: format!("not among the {known} known: {usual}").into(),
            };
            let witnesses = vec![(event.id, event.time, policy.name.as_ref().into())];
            found.firings.push(self.firing(place, correlation, (time, time), vec![measure], witnesses));
        }
        // one value says nothing of another, unless it takes its place
        if pressed {
            found.pressed = Some(step.policy);
            state.upset(*slot);
        }
        if sight.changed || fires {
            state.wrote(*slot, expires);
        }
        calm.limit((!sight.changed && !sight.new).then_some(sight.same_until));
        found.contributed |= fires || sight.first;
        sight.new.then_some(time)
    }

    /// Takes up that the entity is among those who use the value.
    fn crowd(&self, state: &mut State, place: &Place<'_>, crowd: &Crowd, time: EventTime, calm: &mut Calm) -> Use {
        let users = state.get::<Users>(place.beside);
        let used = users.observe(place.part.entity(), time, crowd);
        let expires = users.expires(crowd);
        if used.changed {
            state.upset(place.beside);
            state.wrote(place.beside, expires);
        }
        calm.limit((!used.changed).then_some(used.same_until));
        used
    }

    /// Many begin to use the same: that is one finding about the organisation, and none about each of them.
    fn crowd_began(
        &self,
        state: &mut State,
        place: &Place<'_>,
        (correlation, new): (&Correlation, &NewValue),
        time: EventTime,
        used: &Use,
        found: &mut Found,
    ) {
        let Place { event, part, policy, beside, .. } = place;
        let users = state.get::<Users>(*beside);
        if !policy.tells(event) || !users.fire(&policy.decision, time.episode(policy.episode)) {
            return;
        }
        let expires = new.crowd.as_ref().map_or(time, |crowd| users.expires(crowd));
        state.wrote(*beside, expires);
        let (fields, value) = (self.names(&new.fields), part.value.map(Text::as_str).unwrap_or_default());
        let measure = Measure {
            what: format!("began to use {fields} {}", value.replace(SEPARATOR, " + ")).into(),
            value: (used.others + 1).to_string().into(),
            against: new.crowd.map_or(Text::default(), |c| {
                format!("more than {} within {} is a change of everybody's", c.entities, span_text(c.within)).into()
            }),
        };
        let witnesses = vec![(event.id, event.time, policy.name.as_ref().into())];
        let firing = self.firing(place, correlation, (time, time), vec![measure], witnesses);
        let label = format!("{fields}={} of several at once", value.replace(SEPARATOR, " + ")).into();
        let entity = part.beside().map_or(firing.entity, |key| key.entity());
        found.contributed = true;
        found.firings.push(Firing { label, entity, ..firing });
    }

    pub(super) fn travel(
        &self,
        state: &mut State,
        place: &Place<'_>,
        (correlation, travel): (&Correlation, &Travel),
        time: EventTime,
        calm: &mut Calm,
        found: &mut Found,
    ) -> Option<EventTime> {
        let Place { event, part, slot, policy, .. } = place;
        let origin = &event.origin;
        let (Some((latitude, longitude, radius)), true) = (origin.place, part.value.is_some()) else {
            calm.limit(None);
            return None;
        };
        if let Some(crowd) = &travel.crowd
            && self.crowd(state, place, crowd, time, calm).others >= crowd.entities
        {
            // a shared way out is nobody's place
            return None;
        }
        let name = [origin.city.as_deref(), origin.country.as_deref()];
        let sight = Sight {
            network: part.digest,
            spot: Spot { latitude, longitude, radius },
            place: name.into_iter().flatten().collect::<Vec<_>>().join(", ").into(),
            time,
            event: event.id,
        };
        let here = sight.place.clone();
        let places = state.get::<Places>(*slot);
        let seen = places.observe(sight, correlation.timespan, travel);
        let (until, expires) = (places.same_until(part.digest, time), places.expires());
        let fires =
            seen.leap.is_some() && policy.tells(event) && places.fire(&policy.decision, time.episode(policy.episode));
        if let Some(leap) = &seen.leap {
            found.contributed = true;
            if fires {
                let minutes = leap.took.0 as f64 / 60_000.0;
                let measure = Measure {
                    what: format!("from {} to {here}", leap.from).into(),
                    value: format!("{:.0} km in {minutes:.0} min", leap.km).into(),
                    against: format!("at least {} km at {} km/h", travel.distance_km, travel.speed_kmh).into(),
                };
                let name: Text = policy.name.as_ref().into();
                let witnesses = vec![(event.id, time, name.clone()), (leap.event.0, leap.event.1, name)];
                let first = leap.event.1.min(time);
                found.firings.push(self.firing(place, correlation, (first, time), vec![measure], witnesses));
            }
        }
        if seen.changed || fires {
            state.upset(*slot);
            state.wrote(*slot, expires);
        }
        calm.limit((!seen.changed && seen.leap.is_none()).then_some(until));
        seen.leap.map(|_| time)
    }

    pub(super) fn baseline(
        &self,
        state: &mut State,
        place: &Place<'_>,
        (correlation, base): (&Correlation, &Baseline),
        time: EventTime,
        calm: &mut Calm,
        found: &mut Found,
    ) -> Option<EventTime> {
        let Place { event, step, part, slot, beside, policy } = place;
        calm.limit(None);
        let (amount, value) = match &base.measure {
            Amount::Count => (1, 0),
            Amount::Sum(field) => (amount::whole(event, field)?.max(0).into(), 0),
            Amount::Distinct(_) => (0, part.value.map(|_| part.digest)?),
        };
        let span = correlation.timespan;
        let past = state.get::<Past>(*slot);
        // it may be there already: another policy that accumulates the same has put it there
        past.insert(Entry { time, event: event.id, rule: step.via, amount, value }, span);
        let measured = past.window().measure(time, span);
        let reached = match &base.measure {
            Amount::Count => measured.count,
            Amount::Sum(_) => amount::saturated(measured.sum),
            Amount::Distinct(_) => measured.distinct,
        };
        let own = past.usual(time, base.history, base.percentile, base.learning.days, base.learning.observations);
        let over = past.reached(reached, time, base.history);
        let expires = past.expires(span, base.history);
        state.wrote(*slot, expires);
        let peers = if part.has_beside() {
            let sketch = state.get::<Sketch>(*beside);
            over.iter().for_each(|most| sketch.add(*most, time, base.history));
            sketch.usual(base.percentile)
        } else {
            None
        };
        if part.has_beside() && over.is_some() {
            state.wrote(*beside, time.plus(base.history.times(2)));
        }
        let usual = own.into_iter().chain(peers).max()?.max(1);
        if reached < base.floor || !base.range.holds(reached as f64 / usual as f64) {
            return None;
        }
        let past = state.get::<Past>(*slot);
        past.mark_far(time);
        found.contributed = true;
        if policy.tells(event) && past.fire(&policy.decision, time.episode(policy.episode)) {
            let name: Text = policy.name.as_ref().into();
            let entries = past.window().within(time, span);
            let first = entries.first().map_or(time, |e| e.time);
            let newest = entries.iter().rev().take(crate::model::limits::EVIDENCE_PER_FINDING);
            let witnesses: Vec<(EventId, EventTime, Text)> = newest.map(|e| (e.event, e.time, name.clone())).collect();
            let measure = self.far(base, span, reached, [own, peers]);
            found.firings.push(self.firing(place, correlation, (first, time), vec![measure], witnesses));
        }
        Some(time)
    }

    fn far(&self, base: &Baseline, span: Millis, reached: i64, [own, peers]: [Option<i64>; 2]) -> Measure {
        let what = match &base.measure {
            Amount::Count => "events".to_owned(),
            Amount::Sum(field) => format!("sum of {}", self.field_name(field)),
            Amount::Distinct(fields) => format!("different {}", self.names(fields)),
        };
        let told = |whose: &str, usual: Option<i64>| {
            let amount = usual.map_or("not known yet".into(), |n| n.to_string());
            format!("{whose} {amount}")
        };
        let mut usual = told("own", own);
        if !base.peers.is_empty() {
            usual = format!("{usual}, {}", told("peers'", peers));
        }
        Measure {
            what: format!("{what} in {}", span_text(span)).into(),
            value: reached.to_string().into(),
            against: format!("{} times what is usual on a day (percentile {}): {usual}", base.range, base.percentile)
                .into(),
        }
    }

    pub(super) fn absence(
        &self,
        state: &mut State,
        place: &Place<'_>,
        (correlation, absence): (&Correlation, &Absence),
        time: EventTime,
        calm: &mut Calm,
        found: &mut Found,
    ) -> Option<EventTime> {
        let Place { event, step, slot, policy, .. } = place;
        let span = correlation.timespan;
        let silence = state.get::<Silence>(*slot);
        let expires = silence.expires();
        if step.via == 0 {
            let changed = silence.came(time, span);
            let until = silence.same_until(span);
            if changed {
                state.wrote(*slot, expires.max(time.plus(Millis::DAY.times(90))));
            }
            calm.limit((!changed).then_some(until));
            return None;
        }
        calm.limit(None);
        let gone = silence.went_on(event.id, time, step.via, span);
        let (silent, others) = gone.filter(|(_, others)| absence.range.holds(*others as f64)).unzip();
        let fires =
            others.is_some() && policy.tells(event) && silence.fire(&policy.decision, time.episode(policy.episode));
        if let (true, Some(silent), Some(others)) = (fires, silent, others) {
            let name =
                |rule: u16| -> Text { self.set.rules[correlation.rules[usize::from(rule)]].name.as_ref().into() };
            let measure = Measure {
                what: format!("events since {} came last, {} ago", name(0), span_text(silent)).into(),
                value: others.to_string().into(),
                against: format!("{} without it in {}", absence.range, span_text(span)).into(),
            };
            let witnesses = silence.witnesses().map(|(event, at, rule)| (event, at, name(rule))).collect();
            let first = silence.last();
            found.firings.push(self.firing(place, correlation, (first, time), vec![measure], witnesses));
        }
        found.contributed |= others.is_some();
        state.wrote(*slot, expires);
        others.map(|_| time)
    }

    fn names(&self, fields: &[crate::policy::FieldRef]) -> String {
        fields.iter().map(|f| self.field_name(f)).collect::<Vec<_>>().join(" + ")
    }

    /// A firing at the second of the times; the first is that of the first contribution.
    fn firing(
        &self,
        place: &Place<'_>,
        correlation: &Correlation,
        (first, time): (EventTime, EventTime),
        measures: Vec<Measure>,
        witnesses: Vec<(EventId, EventTime, Text)>,
    ) -> Firing {
        Firing {
            policy: place.step.policy,
            time,
            first,
            entity: place.part.key.entity(),
            label: self.label(correlation, place.step.via, place.event),
            episode: time.episode(place.policy.episode),
            measures,
            witnesses,
        }
    }
}
