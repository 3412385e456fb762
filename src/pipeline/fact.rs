//! What is no line: the clock, people's decisions, what the runner says; and what all of it comes to in orders.
use super::{Outcome, Prepared, findings};
use crate::model::{Finding, Input, Judgement, Text, WallTime};
use crate::orders::{self, Book, Considered};

impl Outcome {
    pub(super) fn fact(&mut self, input: Input<Prepared>) {
        match input {
            // that it was done is recorded with the input, and changes nothing else
            Input::Lines(_) | Input::Learn(_) | Input::Reveal { .. } => {}
            Input::Learned { files, .. } => self.learned(&files),
            Input::Tick(at) => self.ordered(|book, settings| book.tick(settings, at)),
            Input::Rules { silences, .. } => self.changes.silences = serde_json::to_string(&silences).ok(),
            Input::Acknowledge { at, finding, by } => self.changes.acknowledged.push((finding, at, by)),
            Input::Judge { at, judgement, by } => self.judged(judgement, at, by),
            Input::Gone { source, files, .. } => {
                for file in files {
                    self.core.cursors.forget(&source, &file);
                    let key = (source.clone(), file);
                    self.changes.cursors.remove(&key);
                    self.changes.gone.push(key);
                }
            }
            Input::Retention { forgotten, .. } => self.changes.forgotten = Some(forgotten),
            Input::Incident(step) => self.changes.incidents.push(step),
            Input::Hold { at, on, by } => {
                self.changes.hold = Some(on);
                self.changes.orders.extend(self.core.book.hold(on, at, &by));
            }
            Input::Decide { at, order, decision, by } => {
                self.ordered(|book, settings| book.decide(settings, order, decision, at, &by))
            }
            Input::Mute { at, mute } => {
                self.core.book.mute(mute, at);
                self.changes.mutes = serde_json::to_string(self.core.book.mutes()).ok();
            }
            Input::Unmute { at, id, .. } => {
                self.core.book.unmute(&id, at);
                self.changes.mutes = serde_json::to_string(self.core.book.mutes()).ok();
            }
            Input::Invalidate { at, ask, subject, reason, by } => {
                let finding = findings::by_hand(at, ask, *subject, &reason, &by);
                let clock = self.core.clock(at);
                self.ordered(|book, settings| book.consider_for(settings, &finding, clock, Some(&by)));
                self.changes.findings.push(finding);
            }
            Input::Failing { at, part, why } => self.failing(at, part, why),
            Input::TestFinding { at, by } => {
                let finding = findings::test(at, &by);
                self.found(finding);
            }
            Input::Started { at, order } => {
                let rules = self.core.rules.clone();
                self.changes.orders.extend(self.core.book.start(&rules.response, order, at));
            }
            Input::Ended { at, order, verdict } => {
                self.ordered(|book, settings| book.end(settings, order, &verdict, at))
            }
        }
    }

    /// Has it told that a part of tripline fails, or works again, where that is news.
    fn failing(&mut self, at: WallTime, part: Text, why: Option<Text>) {
        let failing = &mut self.core.failing;
        let since = match why {
            Some(_) if failing.contains_key(&part) => return,
            Some(_) => failing.insert(part.clone(), at),
            None => match failing.remove(&part) {
                None => return,
                since => since,
            },
        };
        self.changes.failing = serde_json::to_string(&self.core.failing).ok();
        // not through the cap of findings an hour: one that is dropped would never be told
        let mut finding = findings::failing(at, &part, why, since);
        finding.silenced = self.core.rules.silences.over(&finding);
        self.changes.findings.push(finding);
    }

    /// Takes up a person's verdict on a finding: what it showed, and was honest, is learned.
    fn judged(&mut self, judgement: Judgement, at: WallTime, by: Text) {
        let Judgement { honest, learns, policy, time, .. } = &judgement;
        if let (true, true, Some(actor)) = (honest, learns, &judgement.actor) {
            let rules = self.core.rules.clone();
            rules.engine.release(&mut self.core.state, actor, policy, *time);
        }
        // who has judged it has looked at it
        self.changes.acknowledged.push((judgement.finding, at, by.clone()));
        self.changes.judged.push((judgement, at, by));
    }

    /// Takes up the orders that a finding leads to which is recorded already, for another session.
    pub(super) fn asked_again(&mut self, mut finding: Finding) {
        // a person or a key is the same target as before: that its order did not hold is not for a finding to say
        finding.asks.retain(|ask| ask.target == crate::model::TargetKind::Session);
        finding.silenced = self.core.rules.silences.over(&finding);
        self.consider(&finding);
    }

    pub(super) fn consider(&mut self, finding: &Finding) {
        let clock = self.core.clock(self.judged_at(finding));
        self.ordered(|book, settings| book.consider(settings, finding, clock));
    }

    fn judged_at(&self, finding: &Finding) -> WallTime {
        if self.core.replaying { WallTime(finding.time.0) } else { finding.observed }
    }

    pub(super) fn is_limited(&self, finding: &Finding) -> bool {
        self.core.book.is_limited(&self.core.rules.response, self.judged_at(finding))
    }

    /// Takes up what the book made of something. That a limit holds orders from now on is said once.
    pub(super) fn ordered(&mut self, what: impl FnOnce(&mut Book, &orders::Settings) -> Considered) {
        let rules = self.core.rules.clone();
        let Considered { orders, tripped } = what(&mut self.core.book, &rules.response);
        // an alarm that nothing followed is one that a person must follow
        self.changes.findings.extend(orders.iter().filter_map(findings::not_ended));
        self.changes.orders.extend(orders);
        if let Some(order) = tripped {
            self.changes.findings.push(findings::limit(&rules.response, &order));
        }
    }
}
