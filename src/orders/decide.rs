//! What people decide about orders, and what becomes of an order when nobody does.
use super::gate::Case;
use super::{Book, Considered, Otherwise, Settings};
use crate::model::{Approval, Decision, Mode, Order, OrderId, OrderState, Purpose, Refusal, Text, WallTime};

/// Who root is, by peer credentials.
const ROOT: &str = "uid 0";

/// Why a decision is not taken, in words for the person; nothing where it is.
pub fn refuses(settings: &Settings, order: &Order, decision: Decision, by: &str) -> Option<String> {
    use OrderState::{Cancelled, Done, Failed, Held, Observed, Pending, Refused, Started, Unknown, Waiting};
    let state = order.state;
    let hint = match state {
        Waiting => "it waits for approval: `tripline orders approve` or `deny`",
        Held => "it is held: `tripline orders release` or `cancel`",
        Pending => "it is about to be handed to the runner: `tripline orders cancel` may still be in time",
        Started => "it is with the runner",
        Done => "it is done",
        Failed | Unknown => "`tripline orders retry` carries it out again where its action is idempotent",
        Observed | Refused | Cancelled => "it is over; `tripline invalidate` asks for the same by hand",
    };
    let fits = match decision {
        Decision::Approve | Decision::Deny => state == Waiting,
        Decision::Release => state == Held,
        Decision::Cancel => matches!(state, Held | Waiting | Pending),
        Decision::Retry => matches!(state, Failed | Unknown),
        Decision::Undo => state == Done && order.purpose == Purpose::End,
    };
    if !fits {
        return Some(format!("the order is {}: {hint}", state.name()));
    }
    let action = settings.action(&order.action);
    match decision {
        Decision::Approve if settings.approval.people > 1 && by == ROOT => Some(
            "two different people must agree, and root is neither: whoever is root can be anybody. Approve it as yourself".into(),
        ),
        Decision::Approve if order.approved.iter().any(|a| a.by == by) => {
            Some("you have approved it already; somebody else must agree too".into())
        }
        Decision::Retry if !action.is_some_and(|a| a.idempotent) => Some(format!(
            "the action {} does not say that twice is as good as once (`idempotent = true`): look whether it was done, and \
             ask for it anew with `tripline invalidate`",
            order.action
        )),
        Decision::Undo if action.is_none_or(|a| a.undo.is_none()) => {
            Some(format!("the action {} has no opposite: `undo` in its table names one", order.action))
        }
        _ => None,
    }
}

/// What was done, for the steps of an order.
const fn past(decision: Decision) -> &'static str {
    match decision {
        Decision::Approve => "approved",
        Decision::Deny => "denied",
        Decision::Release => "released",
        Decision::Cancel => "cancelled",
        Decision::Retry => "tried again",
        Decision::Undo => "taken back",
    }
}

impl Book {
    /// A person decides about an order; nothing where [`refuses`] says no.
    pub fn decide(
        &mut self,
        settings: &Settings,
        id: OrderId,
        decision: Decision,
        at: WallTime,
        by: &Text,
    ) -> Considered {
        let known = self.orders.get(&id).filter(|o| refuses(settings, o, decision, by).is_none());
        let Some(known) = known else { return Considered::default() };
        let why = Text::from(format!("{} by {by}", past(decision)));
        let mut order = Order { changed: at, note: Some(why.clone()), ..known.clone() };
        match decision {
            Decision::Approve => {
                order.approved.push(Approval { by: by.clone(), at });
                self.agreed(settings, &mut order);
            }
            Decision::Deny | Decision::Cancel => {
                (order.state, order.refusal, order.answer_by) = (OrderState::Cancelled, None, None)
            }
            Decision::Release => {
                order.released_by = Some(by.clone());
                if order.mode == Mode::Approve && order.purpose == Purpose::End {
                    // a release is no approval: that nobody is to be asked was not why it was held
                    (order.state, order.refusal) = (OrderState::Waiting, None);
                    order.answer_by = Some(at.plus(settings.approval.deadline));
                    self.agreed(settings, &mut order);
                } else {
                    (order.state, order.refusal) = (OrderState::Pending, None);
                }
            }
            Decision::Retry => {
                order.released_by = Some(by.clone());
                return self.again(order, at, why);
            }
            Decision::Undo => return self.undo(settings, order, at, why),
        }
        self.put(order.clone());
        Considered { orders: vec![order], tripped: None }
    }

    /// It is to be handed to the runner once more, under the same key.
    pub(super) fn again(&mut self, order: Order, at: WallTime, why: Text) -> Considered {
        let attempt = order.attempt + 1;
        let (state, retry_at, note) = (OrderState::Pending, None, Some(why));
        let order = Order { state, attempt, retry_at, note, changed: at, ended: None, verification: None, ..order };
        self.put(order.clone());
        Considered { orders: vec![order], tripped: None }
    }

    /// Whether enough people agree; if so the order is to be carried out.
    fn agreed(&self, settings: &Settings, order: &mut Order) {
        let people = settings.approval.people;
        let count = order.approved.iter().filter(|a| people <= 1 || a.by != ROOT).count();
        if count >= people {
            (order.state, order.refusal, order.answer_by) = (OrderState::Pending, None, None);
        }
    }

    /// The deadline for an approval has passed.
    pub(super) fn unanswered(&mut self, settings: &Settings, order: Order, at: WallTime) -> Considered {
        let was_tripped = self.is_limited(settings, at);
        let (state, refusal, note) = match settings.approval.otherwise {
            Otherwise::Cancel => (OrderState::Cancelled, Some(Refusal::NoAnswer), "nobody answered in time"),
            Otherwise::CarryOut if self.hold => (OrderState::Held, Some(Refusal::Hold), "nobody answered in time"),
            Otherwise::CarryOut if self.breaks_limit(settings, &Case::of(&order), at) => {
                (OrderState::Held, Some(Refusal::Limit), "nobody answered in time")
            }
            Otherwise::CarryOut => (OrderState::Pending, None, "nobody answered in time, and so it is carried out"),
        };
        let order = Order { state, refusal, answer_by: None, changed: at, note: Some(note.into()), ..order };
        self.put(order.clone());
        let tripped = (refusal == Some(Refusal::Limit) && !was_tripped).then(|| order.clone());
        Considered { orders: vec![order], tripped }
    }
}
