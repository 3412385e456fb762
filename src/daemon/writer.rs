//! The single writer: the loop of one thread that joins the sequencer and the folder over a log.
//!
//! Each round the [sequencer](super::sequencer) appends what comes, the [folder](super::folder) folds it in, and commits where it is
//! time to. Between two rounds nothing waits in the log, so that an entry is never older than the round that it came in.
use super::clock_trust::BothClocks;
use super::folder::{Folder, Halt};
use super::log::Log;
use super::sequencer::Sequencer;
use crate::ledger::Error;

/// Runs until the last entry is folded in and all is on disk.
///
/// # Errors
/// The ledger can't be read, or must not be written any more.
pub fn run(sequencer: Sequencer, log: impl Log, folder: Folder) -> Result<(), Error> {
    match until_stopped(sequencer, log, folder) {
        Ok(()) => Ok(()),
        Err(Halt::Ledger(e)) => Err(e),
        Err(Halt::Ending) => {
            tracing::warn!(
                "ended while the ledger could not be written: what is not in it is read again at the next start"
            );
            Ok(())
        }
    }
}

fn until_stopped(mut sequencer: Sequencer, mut log: impl Log, mut folder: Folder) -> Result<(), Halt> {
    loop {
        sequencer.take(folder.patience(), folder.due(), &mut log);
        let believed = sequencer.believe(BothClocks::now(), folder.trails(), &mut log);
        folder.believe(&believed);
        folder = folder.follow(&mut log)?;
        // what was folded in may be due at once
        sequencer.on_time(folder.due(), &mut log);
        folder = folder.follow(&mut log)?;
        if folder.has_stopped() {
            return Ok(());
        }
        folder = folder.commit_in_time()?;
        sequencer.not_run(folder.take_not_run(), &mut log);
        if let Ok(now) = believed
            && folder.is_on_disk()
        {
            sequencer.retention(now, |now| folder.overdue(now), &mut log);
        }
        folder = folder.follow(&mut log)?;
        // nobody waits for it, and it takes as long as a commit
        if !sequencer.has_control() {
            folder.record_delivered();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::doors::{Control, Read, doors};
    use super::super::folder::ToDelivery;
    use super::super::log::Own;
    use super::super::sequencer::LINES_PER_INPUT;
    use super::*;
    use crate::ledger::{Durability, Keys, Ledger, Reader};
    use crate::logins::{batch, rules};
    use crate::model::{Input, OrderId, WallTime};
    use crate::pipeline::{Core, Scratch};
    use std::sync::Arc;
    use tokio::sync::mpsc;

    #[test]
    fn what_happened_is_folded_in_before_lines_that_wait_and_lines_in_pieces() {
        let state = tempfile::tempdir().expect("a scratch directory");
        let keys = Arc::new(Keys::new(&[7; 32]));
        let ledger = Ledger::open(state.path(), Durability::None, keys.clone()).expect("made");
        let rules = rules(&keys, 9);
        let path = ledger.path();
        let (to, doors) = doors();
        let mut scratch = Scratch::new(1);
        // two bytes each
        for (from, count) in [(0, 100), (200, LINES_PER_INPUT + 7)] {
            let prepared = rules.prepare(batch(&vec!["x".into(); count], from, WallTime(0)), &mut scratch);
            assert!(to.offer_read(Read::Lines(Box::new(prepared))));
        }
        let tick = || Box::new(Input::Tick(WallTime(1)));
        assert!(to.offer_read(Read::Then(tick(), None)) && to.offer_read(Read::Stop));
        let order = OrderId([1; 16]);
        let started = Input::Started { at: WallTime(2), order };
        assert!(to.offer(Control::Fact(Box::new(started), None)));
        let (to_delivery, mut told) = mpsc::unbounded_channel();
        let core = Core::new(rules, ledger.recorded().expect("readable"), false, 1);
        let (health, progress, ending) = Default::default();
        let folder = Folder::new(ledger, core, to_delivery, health, 1, progress, ending);
        run(Sequencer::new(doors, Default::default()), Own::default(), folder).expect("nothing fails");
        let inputs = Reader::open(&path).expect("there").inputs(1, 100).expect("readable");
        let kinds: Vec<&str> = inputs.iter().map(|input| input.kind.as_str()).collect();
        assert_eq!(kinds, ["started", "lines", "lines", "tick"]);
        let stretches = |n: usize| -> Vec<(u64, u64)> {
            let body: serde_json::Value = serde_json::from_str(&inputs[n].body).expect("JSON");
            let bound = |stretch: &serde_json::Value, which: &str| stretch[which].as_u64().expect("a number");
            body.as_array().expect("a list").iter().map(|s| (bound(s, "from"), bound(s, "to"))).collect()
        };
        let (first, all) = (2 * LINES_PER_INPUT as u64, 2 * (LINES_PER_INPUT as u64 + 107));
        assert_eq!(stretches(1), [(0, 200), (200, first)], "no more than may be in one");
        assert_eq!(stretches(2), [(first, all)]);
        let said = std::iter::from_fn(|| told.try_recv().ok());
        let not_started = said.filter(|what| matches!(what, ToDelivery::NotStarted(id) if *id == order));
        assert_eq!(not_started.count(), 1, "there is no such order");
    }
}
