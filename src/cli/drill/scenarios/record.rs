//! Intrusions of the public record, at providers of communication and of software as a service. Each keeps of its incident how they came
//! in, what they looked like, and how they took what they took; sizes are those of the operator's own trails.
use super::{Incident, Scenario};
use crate::cli::drill::stage::{Hand, Network};
use crate::model::{Activity, ActorKind, Cause, Millis, Text};

/// All of them. To add one: an entry here, and nothing else.
pub const RECORD: &[Scenario] = &[
    Scenario {
        name: "phished-one-customer",
        what: "a login relayed in the victim's own browser, then a month of one to three customers from elsewhere",
        incident: Some(Incident {
            who: "Duo's telephony supplier",
            year: "2024",
            source: "Cisco, notice to customers of Duo, April 2024",
        }),
        play: |s| {
            let (_, victim) = s.person()?;
            let kit = s.rented(victim, true)?;
            s.act(&kit, Activity::Login)?;
            s.pause(100, 3000);
            let thief = Hand { origin: s.disguised(victim, Network::Abroad)?.origin, ..kit };
            s.look(&thief, (3, 15), (4, 70))?;
            s.take(&thief, victim, (1, 3), 31, (30, 400))
        },
    },
    Scenario {
        name: "lookups-by-many",
        what: "three to five phished colleagues in one afternoon, from two exits: customers are looked up and nothing is exported",
        incident: Some(Incident {
            who: "Twilio",
            year: "2022",
            source: "Twilio, \"Incident Report: Employee and Customer Account Compromise\"",
        }),
        play: |s| {
            let many = s.dice.between(3, 5) as usize;
            let gang = s.gang(many)?;
            let exits = [s.rented(gang[0], false)?.origin, s.rented(gang[0], false)?.origin];
            let begun = s.now;
            for (number, victim) in gang.into_iter().enumerate() {
                s.now = begun;
                s.pause(10, 5000);
                // the intruders have one browser
                let mut origin = exits[number % 2].clone();
                origin.user_agent.clone_from(&exits[0].user_agent);
                let thief = s.from(victim, origin)?;
                s.act(&thief, Activity::Login)?;
                s.look(&thief, (18, 44), (15, 120))?;
            }
            Ok(())
        },
    },
    Scenario {
        name: "phished-crowd",
        what: "seven to ten phished colleagues in one afternoon, from one exit with one browser, one to three customers' months each",
        incident: Some(Incident {
            who: "some 130 organisations (0ktapus)",
            year: "2022",
            source: "Group-IB, \"Roasting 0ktapus: The phishing campaign going after Okta identity credentials\"",
        }),
        play: |s| {
            let many = s.dice.between(7, 10) as usize;
            let gang = s.gang(many)?;
            let exit = s.rented(gang[0], false)?.origin;
            let begun = s.now;
            for victim in gang {
                s.now = begun;
                s.pause(10, 4000);
                let thief = s.from(victim, exit.clone())?;
                s.act(&thief, Activity::Login)?;
                s.look(&thief, (2, 7), (4, 70))?;
                s.pause(60, 900);
                s.take(&thief, victim, (1, 3), 30, (60, 900))?;
            }
            Ok(())
        },
    },
    Scenario {
        name: "open-endpoint",
        what: "a list that asks nobody who they are is read page by page for hours, by no user and in no session",
        incident: Some(Incident {
            who: "Authy",
            year: "2024",
            source: "Twilio, security alert to users of Authy, July 2024",
        }),
        play: |s| {
            let (_, key) = s.key()?;
            s.victim = None;
            let from = s.rented(key, false)?.origin;
            for customer in s.some_customers(25)? {
                for _ in 0..40 {
                    s.pause(2, 15);
                    s.pull_unnamed(&from, &customer, 500)?;
                }
            }
            Ok(())
        },
    },
    Scenario {
        name: "service-password",
        what: "a service account's password, used by hand for two weeks: customers one by one, at the end a report on many",
        incident: Some(Incident {
            who: "Okta's support system",
            year: "2023",
            source: "Okta, \"Unauthorized Access to Okta's Support Case Management System: Root Cause and Remediation\"",
        }),
        play: |s| {
            let service = s.service()?;
            let place = s.rented(service, false)?.origin;
            let begun = s.now;
            for day in [0, 2, 3, 6, 8, 9, 12, 14] {
                s.now = begun.plus(Millis::DAY.times(day));
                s.pause(0, 30_000);
                let thief = s.from(service, place.clone())?;
                s.act(&thief, Activity::Login)?;
                s.look(&thief, (4, 11), (20, 300))?;
                if day == 14 {
                    s.take(&thief, service, (8, 24), 30, (10, 90))?;
                }
            }
            Ok(())
        },
    },
    Scenario {
        name: "replayed-cookie",
        what: "the cookie of a support file, used half an hour after its owner went: some pages, one to three exports, gone",
        incident: Some(Incident {
            who: "BeyondTrust, Cloudflare and 1Password",
            year: "2023",
            source: "Cloudflare, \"How Cloudflare mitigated yet another Okta compromise\"; BeyondTrust, \"BeyondTrust Discovers Breach of Okta Support Unit\"",
        }),
        play: |s| {
            let (_, victim) = s.person()?;
            let owner = s.own(victim)?;
            s.act(&owner, Activity::Login)?;
            for _ in 0..30 {
                s.pause(60, 300);
                s.work(&owner, victim)?;
            }
            s.pause(300, 1800);
            let own_browser = s.dice.between(0, 1) == 0;
            let thief = Hand { origin: s.rented(victim, own_browser)?.origin, ..owner };
            s.look(&thief, (3, 8), (4, 70))?;
            s.take(&thief, victim, (1, 3), 30, (20, 200))
        },
    },
    Scenario {
        name: "cookie-then-token",
        what: "a cookie taken by malware, the same browser elsewhere, two days of looking about, then a key is made that takes the data",
        incident: Some(Incident {
            who: "CircleCI",
            year: "2022",
            source: "CircleCI, incident report for the security incident of January 4, 2023",
        }),
        play: |s| {
            let (_, other) = s.key()?;
            let (_, victim) = s.person()?;
            let owner = s.own(victim)?;
            s.act(&owner, Activity::Login)?;
            s.pause(600, 1800);
            s.work(&owner, victim)?;
            s.pause(1800, 5400);
            let thief = Hand { origin: s.rented(victim, true)?.origin, ..owner };
            s.look(&thief, (8, 19), (4, 70))?;
            s.pause(50_000, 120_000);
            s.look(&thief, (5, 14), (4, 70))?;
            s.pause(70_000, 140_000);
            let made = Text::from("drill-token");
            s.act(&thief, Activity::KeyCreated)?.target = Some(made.clone());
            s.pause(120, 9000);
            let mut hand = s.rented(other, false)?;
            (hand.actor.name, hand.actor.uid, hand.actor.kind) = (made, None, ActorKind::Key);
            s.take(&hand, victim, (5, 14), 30, (3, 90))
        },
    },
    Scenario {
        name: "support-tool",
        what: "a phished agent's browser and city: account after account in the support tool, of every third its lists",
        incident: Some(Incident {
            who: "Mailchimp",
            year: "2022 and 2023",
            source: "Mailchimp, its notices on the incidents of March and August 2022 and January 2023",
        }),
        play: |s| {
            let (_, victim) = s.person()?;
            let thief = s.disguised(victim, Network::SameOwner)?;
            s.act(&thief, Activity::Login)?;
            let many = s.dice.between(18, 40) as usize;
            for customer in s.some_customers(many)? {
                s.pause(25, 200);
                s.open_account(&thief, &customer.0)?;
                s.pause(4, 12);
                if s.dice.between(0, 2) == 0 {
                    s.part(&thief, &customer, 30)?;
                }
            }
            Ok(())
        },
    },
    Scenario {
        name: "reset-then-wait",
        what: "the help desk resets a factor; a login from a home network of the country, days of looking about, and then the data",
        incident: Some(Incident {
            who: "Clorox, MGM Resorts (Scattered Spider)",
            year: "2023",
            source: "CISA and FBI, advisory AA23-320A \"Scattered Spider\"",
        }),
        play: |s| {
            let (name, victim) = s.person()?;
            let helper = s.colleague(&name).ok_or("there is no colleague who could be talked into it")?;
            s.act(&helper, Activity::CredentialReset)?.target = Some(name.clone());
            s.pause(600, 2400);
            let first = s.thief(victim, Network::SameCountry)?;
            s.act(&first, Activity::Login)?;
            s.pause(60, 120);
            s.act(&first, Activity::CredentialReset)?.target = Some(name);
            s.look(&first, (5, 19), (4, 70))?;
            let days = s.dice.between(2, 4);
            for day in 1..=days {
                s.pause(60_000, 90_000);
                let thief = s.from(victim, first.origin.clone())?;
                s.act(&thief, Activity::Login)?;
                s.look(&thief, (4, 15), (4, 70))?;
                if day == days {
                    s.take(&thief, victim, (3, 9), 30, (30, 400))?;
                }
            }
            Ok(())
        },
    },
    Scenario {
        name: "home-machine",
        what: "nights on the victim's own computer at home, one or two customers each, over three weeks",
        incident: Some(Incident {
            who: "LastPass",
            year: "2022",
            source: "LastPass, \"Incident 2: Additional details of the attack\", 2023",
        }),
        play: |s| {
            let (_, victim) = s.person()?;
            let begun = s.night(victim);
            for day in [0, 2, 5, 7, 10, 13, 16, 19] {
                s.now = begun.plus(Millis::DAY.times(day));
                let hand = s.own(victim)?;
                s.act(&hand, Activity::Login)?;
                s.look(&hand, (2, 7), (4, 70))?;
                s.take(&hand, victim, (1, 2), 14, (60, 900))?;
            }
            Ok(())
        },
    },
    Scenario {
        name: "years-in-small",
        what: "every few days from one rented server the last days of the same few customers, and nothing else",
        incident: Some(Incident {
            who: "Syniverse",
            year: "2016 to 2021",
            source: "Syniverse, in M3-Brigade Acquisition II's report to the SEC, September 2021",
        }),
        play: |s| {
            let (_, victim) = s.person()?;
            let place = s.rented(victim, false)?.origin;
            let customers = s.strangers(victim, 3)?;
            let begun = s.now;
            for (visit, customer) in customers.iter().cycle().take(9).enumerate() {
                s.now = begun.plus(Millis::DAY.times(3 * visit as i64));
                s.pause(0, 9000);
                let thief = s.from(victim, place.clone())?;
                s.act(&thief, Activity::Login)?;
                s.look(&thief, (2, 6), (4, 70))?;
                s.pause(30, 400);
                s.part(&thief, customer, 4)?;
            }
            Ok(())
        },
    },
    Scenario {
        name: "integration-token",
        what: "the token of an integration that serves many customers, used from a rented server: everything of all of them",
        incident: Some(Incident {
            who: "Salesloft Drift",
            year: "2025",
            source: "Google Threat Intelligence Group, \"Widespread Data Theft Targets Salesforce Instances via Salesloft Drift\"",
        }),
        play: |s| {
            let (_, key) = s.busiest_key()?;
            let thief = s.rented(key, false)?;
            for customer in s.its_customers(key) {
                s.pause(2, 60);
                s.part(&thief, &customer, 31)?;
            }
            Ok(())
        },
    },
    Scenario {
        name: "patient-prompts",
        what: "prompts an hour or more apart until one is approved, then a look at the tools and what they have",
        incident: Some(Incident { who: "Uber", year: "2022", source: "Uber, security update of September 2022" }),
        play: |s| {
            let (_, victim) = s.person()?;
            let thief = s.rented(victim, false)?;
            for number in 0..s.dice.between(4, 8) {
                let cause = if number % 3 == 0 { Cause::FactorRefused } else { Cause::FactorUnanswered };
                s.refused(&thief, Activity::MfaChallenge, cause)?;
                s.pause(2400, 7200);
            }
            s.act(&thief, Activity::MfaChallenge)?;
            s.pause(2, 5);
            s.act(&thief, Activity::Login)?;
            s.look(&thief, (10, 39), (4, 70))?;
            s.take(&thief, victim, (2, 6), 30, (60, 600))
        },
    },
];
