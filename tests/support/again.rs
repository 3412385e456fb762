//! A ledger made again from what it has recorded, which must be the same.
use super::{Site, difference, text, tripline};

impl Site {
    /// The roots of the ledger in `state`.
    pub fn roots(&self, state: &str) -> String {
        let out = tripline(&["ledger", "dump", "--root", "--state"]).arg(self.path(state)).output().unwrap();
        assert!(out.status.success(), "{}", text(&out));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Makes the ledger of `state` again from its recorded inputs and the trails as they stand now, in `again`, and holds them to be equal.
    pub fn make_again(&self) {
        let (state, again) = (self.path("state"), self.path("again"));
        // under the same key the same inputs give the same list of evidence
        std::fs::create_dir(&again).unwrap();
        std::fs::copy(state.join("state.key"), again.join("state.key")).unwrap();
        let said = self.say(&["replay", "--inputs", state.to_str().unwrap(), "--state", again.to_str().unwrap()]);
        assert!(said.status.success(), "{}", text(&said));
        let (only_first, only_again) = difference(&self.dump("state"), &self.dump("again"));
        assert!(only_first.is_empty() && only_again.is_empty(), "{only_first:#?}\n{only_again:#?}");
        assert_eq!(self.roots("state"), self.roots("again"));
    }
}
