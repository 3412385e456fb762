//! Ways of attack, each by itself: how somebody comes in, and how much they take.
use super::{Incident, Scenario};
use crate::cli::drill::stage::{Hand, Lack, Network, Stage};
use crate::model::{Activity, ActorKind, Cause, Millis, Text};

/// All of them. Whoever adds one adds an entry here, with its function below.
pub const TECHNIQUES: &[Scenario] = &[
    Scenario {
        name: "stolen-session",
        what: "a login from abroad with another computer, then the largest customers' months",
        incident: Some(Incident {
            who: "customers of Snowflake",
            year: "2024",
            source: "Mandiant, \"UNC5537 Targets Snowflake Customer Instances for Data Theft and Extortion\"",
        }),
        play: |s| theft(s, Network::Abroad, (6, 12), (60, 400)),
    },
    Scenario {
        name: "rented-server",
        what: "the same from a hosting or VPN network of the lists",
        incident: None,
        play: |s| theft(s, Network::Listed, (6, 12), (60, 400)),
    },
    Scenario {
        name: "residential-proxy",
        what: "the same through the victim's own provider, in another network of it",
        incident: Some(Incident {
            who: "Microsoft (Midnight Blizzard)",
            year: "2024",
            source: "Microsoft, \"Midnight Blizzard: Guidance for responders on nation-state attack\"",
        }),
        play: |s| theft(s, Network::SameOwner, (5, 9), (120, 600)),
    },
    Scenario {
        name: "push-fatigue",
        what: "second factors refused again and again until one is granted, then exports",
        incident: Some(Incident {
            who: "Cisco",
            year: "2022",
            source: "Cisco Talos, \"Cisco Talos shares insights related to recent cyber attack on Cisco\"",
        }),
        play: push_fatigue,
    },
    Scenario {
        name: "help-desk-reset",
        what: "a colleague is talked into resetting the victim's factor; a login from abroad, exports",
        incident: Some(Incident {
            who: "customers of Okta",
            year: "2023",
            source: "Okta, \"Cross-Tenant Impersonation: Prevention and Detection\"",
        }),
        play: help_desk_reset,
    },
    Scenario {
        name: "stolen-cookie",
        what: "the owner's own session, used from elsewhere beside its owner",
        incident: Some(Incident {
            who: "Electronic Arts",
            year: "2021",
            source: "Motherboard (Vice), June 2021, by what the intruders told it",
        }),
        play: stolen_cookie,
    },
    Scenario {
        name: "api-key-leaked",
        what: "a service key pulls other customers' months from elsewhere",
        incident: Some(Incident {
            who: "Uber",
            year: "2016",
            source: "Federal Trade Commission, complaint In the Matter of Uber Technologies, 2018",
        }),
        play: key_leaked,
    },
    Scenario {
        name: "slow-drip",
        what: "a session a day from the victim's provider, two wide exports each, over ten days",
        incident: None,
        play: slow_drip,
    },
    Scenario {
        name: "insider-bulk",
        what: "somebody at home in their own session takes the largest customers' months",
        incident: Some(Incident { who: "Shopify", year: "2020", source: "Shopify, incident update of September 2020" }),
        play: insider,
    },
    Scenario {
        name: "page-by-page",
        what: "hundreds of searches in an hour instead of one export",
        incident: Some(Incident {
            who: "Coinbase",
            year: "2025",
            source: "Coinbase, report to the SEC of May 2025 (form 8-K)",
        }),
        play: page_by_page,
    },
    Scenario {
        name: "impersonation-spree",
        what: "a login from abroad, then acting as customer after customer",
        incident: Some(Incident {
            who: "Twitter",
            year: "2020",
            source: "New York State Department of Financial Services, Twitter Investigation Report, October 2020",
        }),
        play: impersonation,
    },
    Scenario {
        name: "key-made",
        what: "a key made in a session from abroad, used two days later",
        incident: None,
        play: key_made,
    },
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
    let thief = Hand { session: Some(session), ..stage.thief(victim, Network::Abroad)? };
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
        let thief = Hand { session: other.session, ..first.clone() };
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
