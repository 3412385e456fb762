//! A ledger made again from what it has recorded, which must be the same.
use super::{Site, difference, text};

impl Site {
    /// Makes the ledger of `state` again from its recorded inputs and the trails as they stand now, in `again`, and holds them to be equal.
    pub fn make_again(&self) {
        let (state, again) = (self.path("state"), self.path("again"));
        let said = self.say(&["replay", "--inputs", state.to_str().unwrap(), "--state", again.to_str().unwrap()]);
        assert!(said.status.success(), "{}", text(&said));
        let (only_first, only_again) = difference(&self.dump("state"), &self.dump("again"));
        assert!(only_first.is_empty() && only_again.is_empty(), "{only_first:#?}\n{only_again:#?}");
    }
}
