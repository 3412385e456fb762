//! Who works at the throw-away provider, for which customers, and the dice that made them up: the same in every run.

/// Dice with a fixed seed (SplitMix64: Steele, Lea and Flood, 2014), so that every run tells the same story.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` up to but not including `high`, which must be larger.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }

    /// One of them.
    pub fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.between(0, of.len() as u64) as usize]
    }

    /// A new session's id.
    pub fn session(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}

/// A customer of the provider.
#[derive(Clone, Debug)]
pub struct Customer {
    /// For people.
    pub name: String,
    /// The account, as the trails write it.
    pub account: String,
    /// Passcode messages sent for it in a month.
    pub month: u64,
}

/// Somebody with a computer.
#[derive(Clone, Debug)]
pub struct Person {
    /// For people.
    pub name: &'static str,
    /// The address that the person works from.
    pub address: &'static str,
    /// What the browser says of itself.
    pub agent: &'static str,
    /// The customers that the person serves: places in the list of customers.
    pub serves: Vec<usize>,
}

impl Person {
    /// The name as the trails write it.
    pub fn login(&self) -> String {
        self.name.to_lowercase()
    }
}

const WINDOWS: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Safari/537.36";
const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15";
const INTRUDER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0";

/// Name, address (RFC 5737's networks for documentation) and browser. The last one will be phished.
const STAFF: [(&str, &str, &str); 6] = [
    ("Nora", "192.0.2.21", WINDOWS),
    ("Luis", "192.0.2.34", MAC),
    ("Amara", "198.51.100.7", WINDOWS),
    ("Ben", "192.0.2.55", WINDOWS),
    ("Yuki", "198.51.100.80", MAC),
    ("Dana", "192.0.2.68", WINDOWS),
];
const TREES: [&str; 12] =
    ["Alder", "Birch", "Cedar", "Elm", "Hazel", "Juniper", "Larch", "Maple", "Oak", "Poplar", "Rowan", "Willow"];
const TRADES: [&str; 5] = ["Bank", "Clinics", "Insurance", "Stores", "Airways"];
/// How many customers each member of staff serves.
const SERVED: usize = 4;

/// The members of staff.
pub fn staff() -> Vec<Person> {
    let person = |(n, &(name, address, agent)): (usize, &(_, _, _))| Person {
        name,
        address,
        agent,
        serves: (n * SERVED..(n + 1) * SERVED).collect(),
    };
    STAFF.iter().enumerate().map(person).collect()
}

/// Whoever has the password of `victim`.
pub fn intruder(victim: &Person) -> Person {
    Person { address: "203.0.113.77", agent: INTRUDER, serves: Vec::new(), ..victim.clone() }
}

/// The customers: first those that somebody of the staff serves, then others.
pub fn customers(dice: &mut Dice) -> Vec<Customer> {
    let mut names: Vec<(&str, &str)> =
        TREES.iter().flat_map(|tree| TRADES.iter().map(move |trade| (*tree, *trade))).collect();
    for n in (1..names.len()).rev() {
        names.swap(n, dice.between(0, n as u64 + 1) as usize);
    }
    let customer = |(tree, trade): (&str, &str)| Customer {
        name: format!("{tree} {trade}"),
        account: format!("{tree}-{trade}").to_lowercase(),
        month: dice.between(3_000, 16_000),
    };
    names.into_iter().map(customer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_customers_are_the_same_in_every_run_and_enough_for_all() {
        let once = customers(&mut Dice(1));
        let again = customers(&mut Dice(1));
        assert!(once.iter().zip(&again).all(|(a, b)| a.account == b.account && a.month == b.month));
        assert!(staff().iter().all(|p| p.serves.iter().all(|c| *c < once.len())));
        let accounts: std::collections::BTreeSet<_> = once.iter().map(|c| &c.account).collect();
        assert_eq!(accounts.len(), once.len());
    }
}
