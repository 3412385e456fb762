//! What intruders do on the stage, in the trails' own shapes.
use super::seen::Known;
use super::stage::{Hand, Lack, Stage};
use crate::model::{Activity, ActorKind, Export, Origin, Outcome, Text};

/// What `seen::Seen::customers` holds is about a month of a customer.
const MONTH: u64 = 31;

impl Stage<'_> {
    /// Looks at so many pages of any customers, so many seconds apart: as views, or as searches where the trails show no views.
    ///
    /// # Errors
    /// The trails show neither.
    pub fn look(&mut self, hand: &Hand, many: (u64, u64), pace: (u64, u64)) -> Result<(), Lack> {
        let many = self.dice.between(many.0, many.1) as usize;
        for (customer, _) in self.some_customers(many)? {
            self.pause(pace.0, pace.1);
            let search = self.dice.between(0, 4) == 0;
            let (one, other) =
                if search { (Activity::Query, Activity::View) } else { (Activity::View, Activity::Query) };
            let activity = if self.shows(hand, one) { one } else { other };
            self.act(hand, activity)?.customer = Some(customer);
        }
        Ok(())
    }

    fn shows(&self, hand: &Hand, activity: Activity) -> bool {
        self.seen.shape_of(hand.actor.kind, activity, Outcome::Success).is_some()
    }

    /// Opens a customer's account in the support tool: acts as the customer, where the trails show that, or looks at it.
    ///
    /// # Errors
    /// The trails show neither.
    pub fn open_account(&mut self, hand: &Hand, customer: &Text) -> Result<(), Lack> {
        if self.shows(hand, Activity::Impersonation) {
            self.act(hand, Activity::Impersonation)?.customer = Some(customer.clone());
            self.pause(5, 10);
        }
        self.act(hand, Activity::View)?.customer = Some(customer.clone());
        Ok(())
    }

    /// Exports the last `days` days of so many of the largest customers, strangers first, so many seconds apart.
    ///
    /// # Errors
    /// The trails show no exports.
    pub fn take(
        &mut self,
        hand: &Hand,
        known: &Known,
        many: (u64, u64),
        days: u64,
        pace: (u64, u64),
    ) -> Result<(), Lack> {
        let many = self.dice.between(many.0, many.1) as usize;
        for customer in self.strangers(known, many)? {
            self.pause(pace.0, pace.1);
            self.part(hand, &customer, days)?;
        }
        Ok(())
    }

    /// Exports the last `days` days of a customer: as many of its month's records.
    ///
    /// # Errors
    /// The trails show no exports.
    pub fn part(&mut self, hand: &Hand, (customer, records): &(Text, u64), days: u64) -> Result<(), Lack> {
        let records = records.saturating_mul(days.min(MONTH)) / MONTH;
        self.export(hand, &(customer.clone(), records.max(1)), days as i64)
    }

    /// Somebody without a name pulls so many records of a customer from a list API.
    ///
    /// # Errors
    /// The trails show no pulls of a customer's records.
    pub fn pull_unnamed(&mut self, from: &Origin, (customer, _): &(Text, u64), records: u64) -> Result<(), Lack> {
        let shape = self.seen.shape_of(ActorKind::Key, Activity::Download, Outcome::Success);
        let shape = shape.filter(|shape| shape.customer.is_some()).and_then(|shape| shape.export.clone());
        let had = shape.ok_or("no pull of a customer's records from a list in these trails")?;
        let hand = self.nobody(from)?;
        let last = self.now.episode(crate::model::Millis::DAY) as i32;
        let event = self.act(&hand, Activity::Download)?;
        (event.actor, event.session, event.customer) = (None, None, Some(customer.clone()));
        event.export = Some(Export {
            first_day: had.first_day.map(|_| last - MONTH as i32),
            last_day: had.last_day.map(|_| last - 1),
            records: had.records.map(|_| records),
            bytes: had.bytes.map(|_| records * super::stage::BYTES_PER_RECORD),
            everything: false,
            ..had
        });
        Ok(())
    }
}
