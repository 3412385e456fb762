//! The log between the sequencer and the folder: entries in one order, and nothing else.
//!
//! The [sequencer](super::sequencer) decides what becomes an input and when, and appends it. The [folder](super::folder) follows: it
//! takes the entries one after the other, and knows neither a door nor when an entry was made but from the entry. Whoever follows the
//! same entries under the same rules therefore comes to the same state, findings and list of evidence, whatever it commits together:
//! where a commit ends is no entry, for each folder has a disk of its own to wait for.
use super::doors::{Answer, Local};
use crate::model::{Input, WallTime};
use crate::pipeline::{Prepared, Rules};
use crate::source::Cursor;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a folder is to do next.
pub enum Entry {
    /// Fold it in; who waits for it to be on disk is answered then.
    Input(Box<Input<Prepared>>, Option<Answer>),
    /// New rules hold from here on; whoever asked gets the cursors once that is on disk.
    Rules {
        /// Since when.
        at: WallTime,
        /// Which.
        rules: Arc<Rules>,
        /// Who asked.
        answer: Option<oneshot::Sender<Vec<Cursor>>>,
    },
    /// It concerns this node alone. Another node that follows the log passes it over.
    Local(Local),
    /// Commit, and end.
    Stop,
}

/// Entries in the order in which they were appended.
pub trait Log {
    /// Appends an entry behind all others.
    fn append(&mut self, entry: Entry);

    /// Takes the next entry, where one is there already.
    fn next(&mut self) -> Option<Entry>;
}

/// The log of a node that is alone: an entry is handed over on the thread on which it was appended, and is kept by nobody. What is to
/// outlast the process is in the ledger and in the trails' files.
#[derive(Default)]
pub struct Own(VecDeque<Entry>);

impl Log for Own {
    fn append(&mut self, entry: Entry) {
        self.0.push_back(entry);
    }

    fn next(&mut self) -> Option<Entry> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::super::doors::{Control, Read, Stop, ToWriter, doors};
    use super::super::folder::{Folder, ToDelivery};
    use super::super::sequencer::Sequencer;
    use super::super::{wall_now, writer};
    use super::*;
    use crate::ledger::dump::Roots;
    use crate::ledger::read::RecordedInput;
    use crate::ledger::{Durability, Keys, Ledger, Reader};
    use crate::logins::{batch, line, rules};
    use crate::model::finding::{Ask, SessionRef};
    use crate::model::{Digest, Subject, TargetKind};
    use crate::pipeline::{Core, Scratch};
    use std::path::Path;
    use std::sync::{Mutex, MutexGuard};
    use tokio::sync::mpsc;

    /// What another node gets of an entry: the lines as they were read, for it prepares them itself, and nobody who waits. Nothing of
    /// what concerns the first node alone.
    fn sent(entry: &Entry) -> Option<Entry> {
        match entry {
            Entry::Input(input, _) => {
                let mut input = input.clone();
                if let Input::Lines(batches) = &mut *input {
                    let raw = |batch: &mut Prepared| (batch.rules, batch.lines) = (Digest([0; 32]), Vec::new());
                    batches.iter_mut().for_each(raw);
                }
                Some(Entry::Input(input, None))
            }
            Entry::Rules { at, rules, .. } => Some(Entry::Rules { at: *at, rules: rules.clone(), answer: None }),
            Entry::Local(_) | Entry::Stop => None,
        }
    }

    /// The log of a node, of which others are sent what they need.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<Entry>>>);

    impl Shared {
        fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
            self.0.lock().expect("no thread died")
        }
    }

    /// The first node's side of it.
    struct Leading(Own, Shared);

    impl Log for Leading {
        fn append(&mut self, entry: Entry) {
            self.1.entries().extend(sent(&entry));
            self.0.append(entry);
        }

        fn next(&mut self) -> Option<Entry> {
            self.0.next()
        }
    }

    /// Another node's: it is sent again what was appended, from one position to another.
    struct Following(Shared, std::ops::Range<usize>);

    impl Log for Following {
        fn append(&mut self, _: Entry) {
            panic!("only the first node says what becomes an input");
        }

        fn next(&mut self) -> Option<Entry> {
            self.1.next().and_then(|at| sent(&self.0.entries()[at]))
        }
    }

    /// A folder with what is in that state directory.
    fn folder(state: &Path, keys: &Arc<Keys>, rules: Arc<Rules>) -> (Folder, mpsc::UnboundedReceiver<ToDelivery>) {
        let ledger = Ledger::open(state, Durability::None, keys.clone()).expect("opened");
        let core = Core::new(rules, ledger.recorded().expect("readable"), false, 1);
        let (to, told) = mpsc::unbounded_channel();
        let (health, progress, ending) = Default::default();
        (Folder::new(ledger, core, to, health, 1, progress, ending), told)
    }

    /// What a node came to: both roots, the dump, and the inputs.
    fn come_to(state: &Path) -> (Roots, Vec<String>, Vec<RecordedInput>) {
        let reader = Reader::open(&state.join(crate::ledger::FILE)).expect("there");
        let dump = reader.dump().expect("readable");
        (reader.roots().expect("readable"), dump, reader.inputs(1, 1000).expect("readable"))
    }

    /// Brings a node lines, and people's acts and a runner's between them; new rules while there are lines that were prepared
    /// under the old; and an order whose session nobody can name to the hook.
    fn bring(to: &ToWriter, told: &mut mpsc::UnboundedReceiver<ToDelivery>, rules: [&Arc<Rules>; 2]) {
        let (_going, stop) = Stop::new();
        let fact = |input| assert!(to.offer(Control::Fact(Box::new(input), None)));
        let by = || "uid 0".into();
        fact(rules[0].input(wall_now()));
        let lines: Vec<String> = (0..4_000).map(line).collect();
        let (mut from, mut scratch) = (0, Scratch::new(1));
        for (n, piece) in lines.chunks(137).enumerate() {
            let batch = batch(piece, from, wall_now());
            from = batch.stretch.to;
            assert!(to.read(Read::Lines(Box::new(rules[0].prepare(batch, &mut scratch))), &stop));
            match n {
                4 | 20 => fact(Input::TestFinding { at: wall_now(), by: by() }),
                7 => fact(Input::Invalidate {
                    at: wall_now(),
                    ask: Ask { action: "end-session".into(), target: TargetKind::Session },
                    subject: Box::new(Subject {
                        actor: Some("ana".into()),
                        session: Some(SessionRef { digest: [9; 16], by_server: true }),
                        ..Subject::default()
                    }),
                    reason: "she called".into(),
                    by: by(),
                }),
                8 => loop {
                    match told.blocking_recv().expect("the node lives") {
                        ToDelivery::Pending(order) => {
                            fact(Input::Started { at: wall_now(), order: order.get().id });
                        }
                        ToDelivery::NotStarted(_) => break,
                        _ => {}
                    }
                },
                9 => assert!(to.offer(Control::Local(Local::Resume))),
                14 => {
                    let (answer, cursors) = oneshot::channel();
                    assert!(to.read(Read::Rules(rules[1].clone(), answer), &stop));
                    assert_eq!(cursors.blocking_recv().expect("the node lives").len(), 1);
                }
                25 => assert!(to.read(Read::Then(Box::new(Input::Tick(wall_now())), None), &stop)),
                _ => {}
            }
        }
        assert!(to.read(Read::Stop, &stop));
    }

    /// Follows the log in an empty ledger, commits after so many entries, and begins anew from the disk after so many commits.
    fn follow(state: &Path, keys: &Arc<Keys>, first: &Arc<Rules>, log: &Shared, every: usize, anew: usize) {
        let mut rules = first.clone();
        let (mut node, mut told) = folder(state, keys, rules.clone());
        let length = log.entries().len();
        for (n, from) in (1..).zip((0..length).step_by(every)) {
            let until = length.min(from + every);
            node = node.follow(&mut Following(log.clone(), from..until)).expect("it folds");
            node = node.commit().expect("it commits");
            for entry in &log.entries()[from..until] {
                if let Entry::Rules { rules: new, .. } = entry {
                    rules = new.clone();
                }
            }
            if n % anew == 0 {
                drop(node);
                (node, told) = folder(state, keys, rules.clone());
            }
        }
        drop((node, told));
    }

    #[test]
    fn whoever_follows_the_same_log_comes_to_the_same_whatever_it_commits_together() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let keys = Arc::new(Keys::new(&[7; 32]));
        let (first, second) = (rules(&keys, 9), rules(&keys, 4));
        let log = Shared::default();
        let state = scratch.path().join("first");
        let (node, mut told) = folder(&state, &keys, first.clone());
        let (to, doors) = doors();
        let leading = Leading(Own::default(), log.clone());
        let running = std::thread::spawn(move || writer::run(Sequencer::new(doors, Default::default()), leading, node));
        bring(&to, &mut told, [&first, &second]);
        running.join().expect("it lives").expect("nothing fails");
        let (roots, dump, inputs) = come_to(&state);
        let of_kind = |kind: &str| inputs.iter().filter(|input| input.kind == kind).count();
        assert_eq!(["started", "ended", "rules", "test-finding", "invalidate"].map(of_kind), [1, 1, 2, 2, 1]);
        assert!(of_kind("lines") > 4 && of_kind("tick") >= 1);
        let found = |start: &str| dump.iter().filter(|line| line.starts_with(start)).count();
        assert_eq!(found("event "), 4_000);
        assert!(found("finding ") > 200, "{}", found("finding "));
        for (name, every, anew) in [("each", 1, 1000), ("some", 5, 1000), ("anew", 3, 1), ("all", 1000, 1000)] {
            let state = scratch.path().join(name);
            follow(&state, &keys, &first, &log, every, anew);
            let (others, other, again) = come_to(&state);
            let differ = inputs.iter().zip(&again).find(|(a, b)| a != b);
            assert_eq!((differ, inputs.len()), (None, again.len()), "{name}");
            assert!(dump == other, "{name}");
            assert_eq!(roots, others, "{name}");
        }
    }

    #[test]
    fn what_was_read_before_a_break_of_a_trail_is_an_input_of_its_own() {
        use super::super::clock_trust::ClockTrust;
        use crate::model::Discontinuity;
        let (to, doors) = doors();
        let rules = rules(&Keys::new(&[7; 32]), 9);
        let mut scratch = Scratch::new(1);
        for n in 0..3 {
            let mut batch = batch(&[line(n)], 0, wall_now());
            batch.discontinuity = (n == 2).then_some(Discontinuity::Truncated);
            assert!(to.offer_read(Read::Lines(Box::new(rules.prepare(batch, &mut scratch)))));
        }
        let (mut sequencer, mut log) = (Sequencer::new(doors, ClockTrust::default()), Own::default());
        sequencer.take(None, None, &mut log);
        let batches = std::iter::from_fn(|| log.next()).map(|entry| match &entry {
            Entry::Input(input, _) if let Input::Lines(batches) = &**input => batches.len(),
            _ => panic!("there are lines alone"),
        });
        assert_eq!(batches.collect::<Vec<_>>(), [2, 1], "equal lines of both count from zero behind the break");
    }
}
