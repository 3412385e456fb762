//! The attacks that are drilled: one open list, each a name, a line for people, and how it is played.
use super::stage::{Lack, Network, Stage};
use crate::model::{Activity, ActorKind, Cause, Millis, Text};

/// One attack.
pub struct Scenario {
    /// By which it is chosen.
    pub name: &'static str,
    /// What happens, for people.
    pub what: &'static str,
    /// Plays it: makes its events.
    pub play: fn(&mut Stage<'_>) -> Result<(), Lack>,
}

/// All of them. Whoever adds one adds a line here and a function below.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "stolen-session",
        what: "a login from abroad with another computer, then the largest customers' months",
        play: |s| theft(s, Network::Abroad, (6, 12), (60, 400)),
    },
    Scenario {
        name: "rented-server",
        what: "the same from a hosting or VPN network of the lists",
        play: |s| theft(s, Network::Listed, (6, 12), (60, 400)),
    },
    Scenario {
        name: "residential-proxy",
        what: "the same through the victim's own provider, in another network of it",
        play: |s| theft(s, Network::SameOwner, (5, 9), (120, 600)),
    },
    Scenario {
        name: "push-fatigue",
        what: "second factors refused again and again until one is granted, then exports",
        play: push_fatigue,
    },
    Scenario {
        name: "help-desk-reset",
        what: "a colleague is talked into resetting the victim's factor; a login from abroad, exports",
        play: help_desk_reset,
    },
    Scenario {
        name: "stolen-cookie",
        what: "the owner's own session, used from elsewhere beside its owner",
        play: stolen_cookie,
    },
    Scenario {
        name: "api-key-leaked",
        what: "a service key pulls other customers' months from elsewhere",
        play: key_leaked,
    },
    Scenario {
        name: "slow-drip",
        what: "a session a day from the victim's provider, two wide exports each, over ten days",
        play: slow_drip,
    },
    Scenario {
        name: "insider-bulk",
        what: "somebody at home in their own session takes the largest customers' months",
        play: insider,
    },
    Scenario {
        name: "page-by-page",
        what: "hundreds of searches in an hour instead of one export",
        play: page_by_page,
    },
    Scenario {
        name: "impersonation-spree",
        what: "a login from abroad, then acting as customer after customer",
        play: impersonation,
    },
    Scenario { name: "key-made", what: "a key made in a session from abroad, used two days later", play: key_made },
];

/// Logs in as somebody from such a network, and takes the months of so many customers, so many seconds apart.
fn theft(stage: &mut Stage<'_>, network: Network, many: (u64, u64), pace: (u64, u64)) -> Result<(), Lack> {
    let (_, victim) = stage.person()?;
    let thief = stage.thief(victim, network)?;
    stage.act(&thief, Activity::Login)?;
    let many = stage.dice.between(many.0, many.1) as usize;
    for customer in stage.strangers(victim, many)? {
        let pause = stage.dice.seconds(pace.0, pace.1);
        stage.wait(pause);
        let days = stage.dice.between(10, 31) as i64;
        stage.export(&thief, &customer, days)?;
    }
    Ok(())
}

fn push_fatigue(stage: &mut Stage<'_>) -> Result<(), Lack> {
    let (_, victim) = stage.person()?;
    let thief = stage.thief(victim, Network::Abroad)?;
    for _ in 0..stage.dice.between(5, 14) {
        stage.refused(&thief, Activity::MfaChallenge, Cause::FactorRefused)?;
        let pause = stage.dice.seconds(30, 90);
        stage.wait(pause);
    }
    stage.act(&thief, Activity::MfaChallenge)?;
    stage.wait(Millis::SECOND.times(3));
    stage.act(&thief, Activity::Login)?;
    for customer in stage.strangers(victim, 6)? {
        let pause = stage.dice.seconds(60, 300);
        stage.wait(pause);
        stage.export(&thief, &customer, 30)?;
    }
    Ok(())
}

fn help_desk_reset(stage: &mut Stage<'_>) -> Result<(), Lack> {
    let (name, victim) = stage.person()?;
    let helper = stage.colleague(&name).ok_or("there is no colleague who could be talked into it")?;
    stage.act(&helper, Activity::CredentialReset)?.target = Some(name);
    let pause = stage.dice.seconds(300, 3000);
    stage.wait(pause);
    let thief = stage.thief(victim, Network::Abroad)?;
    stage.act(&thief, Activity::Login)?;
    for customer in stage.strangers(victim, 5)? {
        let pause = stage.dice.seconds(60, 300);
        stage.wait(pause);
        stage.export(&thief, &customer, 30)?;
    }
    Ok(())
}

fn stolen_cookie(stage: &mut Stage<'_>) -> Result<(), Lack> {
    let (_, victim) = stage.person()?;
    let owner = stage.own(victim)?;
    let session = owner.session.clone().ok_or("the trails name no sessions")?;
    let thief = super::stage::Hand { session: Some(session), ..stage.thief(victim, Network::Abroad)? };
    stage.act(&owner, Activity::Login)?;
    for customer in stage.strangers(victim, 8)? {
        for _ in 0..3 {
            let pause = stage.dice.seconds(30, 120);
            stage.wait(pause);
            stage.work(&owner, victim)?;
        }
        stage.wait(Millis::SECOND.times(20));
        stage.export(&thief, &customer, 30)?;
    }
    Ok(())
}

fn key_leaked(stage: &mut Stage<'_>) -> Result<(), Lack> {
    let (_, key) = stage.key()?;
    let thief = stage.thief(key, Network::Abroad)?;
    for customer in stage.strangers(key, 8)? {
        stage.export(&thief, &customer, 30)?;
        let pause = stage.dice.seconds(20, 120);
        stage.wait(pause);
    }
    Ok(())
}

fn slow_drip(stage: &mut Stage<'_>) -> Result<(), Lack> {
    let (_, victim) = stage.person()?;
    let customers = stage.strangers(victim, 20)?;
    let first = stage.thief(victim, Network::SameOwner)?;
    for day in customers.chunks(2) {
        let (morning, other) = (stage.now, stage.own(victim)?);
        // another session each day, from the same computer
        let thief = super::stage::Hand { session: other.session, ..first.clone() };
        stage.act(&thief, Activity::Login)?;
        for customer in day {
            let pause = stage.dice.seconds(600, 5400);
            stage.wait(pause);
            stage.export(&thief, customer, 8)?;
        }
        stage.now = morning.plus(Millis::DAY);
    }
    Ok(())
}

fn insider(stage: &mut Stage<'_>) -> Result<(), Lack> {
    let (_, insider) = stage.person()?;
    let hand = stage.own(insider)?;
    stage.act(&hand, Activity::Login)?;
    for customer in stage.customers(25) {
        let pause = stage.dice.seconds(40, 150);
        stage.wait(pause);
        stage.export(&hand, &customer, 31)?;
    }
    Ok(())
}

fn page_by_page(stage: &mut Stage<'_>) -> Result<(), Lack> {
    let (_, insider) = stage.person()?;
    let hand = stage.own(insider)?;
    stage.act(&hand, Activity::Login)?;
    let customers = stage.strangers(insider, 6)?;
    for (customer, _) in customers.iter().cycle().take(600) {
        let pause = stage.dice.seconds(3, 8);
        stage.wait(pause);
        stage.act(&hand, Activity::Query)?.customer = Some(customer.clone());
    }
    Ok(())
}

fn impersonation(stage: &mut Stage<'_>) -> Result<(), Lack> {
    let (_, victim) = stage.person()?;
    let thief = stage.thief(victim, Network::Abroad)?;
    stage.act(&thief, Activity::Login)?;
    for (customer, _) in stage.strangers(victim, 12)? {
        let pause = stage.dice.seconds(60, 240);
        stage.wait(pause);
        stage.act(&thief, Activity::Impersonation)?.customer = Some(customer);
    }
    Ok(())
}

fn key_made(stage: &mut Stage<'_>) -> Result<(), Lack> {
    let (name, victim) = stage.person()?;
    let thief = stage.thief(victim, Network::Abroad)?;
    let role = stage.role.take();
    let (_, other) = stage.key()?;
    (stage.victim, stage.role) = (Some(name), role);
    stage.act(&thief, Activity::Login)?;
    stage.wait(Millis::MINUTE.times(3));
    let made = Text::from("drill-key");
    stage.act(&thief, Activity::KeyCreated)?.target = Some(made.clone());
    stage.wait(Millis::DAY.times(2));
    let mut hand = stage.thief(other, Network::Abroad)?;
    (hand.actor.name, hand.actor.uid, hand.actor.kind) = (made, None, ActorKind::Key);
    for customer in stage.strangers(victim, 6)? {
        stage.export(&hand, &customer, 30)?;
        let pause = stage.dice.seconds(20, 120);
        stage.wait(pause);
    }
    Ok(())
}
