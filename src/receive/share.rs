//! What the connections of one receiver share: the places at each socket, and the memory for messages that have not wholly arrived.
//!
//! Whoever connects can begin a message and never end it. So what all connections hold together is bounded: where there is no more
//! room, the sender that holds most has the message cut that it began first. A socket that is full gives a newcomer the place of a
//! connection that is silent. What had to be cut or closed is counted, and is a word beside the spool ([`Standing`]).
use super::standing::Standing;
use crate::model::limits::{CONNECTIONS_PER_SENDER, CONNECTIONS_PER_SOCKET, SILENT_FOR, UNFINISHED_BYTES};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// See [`SILENT_FOR`].
const SILENT: Duration = Duration::from_millis(SILENT_FOR.0.unsigned_abs());
/// How often it is looked whether something is to be said of a socket, or whether one has fallen silent.
const LOOK: Duration = Duration::from_secs(1);
/// How often the numbers in what is said are renewed.
const RENEW: Duration = Duration::from_secs(60);
/// How long it is still said that something was cut or closed.
const REMEMBER: Duration = Duration::from_secs(600);

/// Who counts as one sender: an address, or the network of 64 bits that one site of IPv6 has as a rule.
pub fn sender(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let network = std::net::Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX));
            format!("{network}/64")
        }
    }
}

/// What happened at one socket.
#[derive(Debug)]
pub struct Socket {
    address: String,
    /// Connections that were closed at once, for their sender had as many as it may have.
    refused: AtomicU64,
    /// Silent connections that were closed, for another one waited.
    closed: AtomicU64,
    /// Messages of which only the beginning was kept.
    cut: AtomicU64,
}

impl Socket {
    /// The one at `address`.
    pub fn new(address: &impl std::fmt::Display) -> Arc<Socket> {
        let none = AtomicU64::default;
        Arc::new(Socket { address: address.to_string(), refused: none(), closed: none(), cut: none() })
    }

    fn counts(&self) -> [u64; 3] {
        [&self.refused, &self.closed, &self.cut].map(|count| count.load(Ordering::Relaxed))
    }

    /// What is to be said: whether it is full, and what was cut or closed so far.
    fn wrong(&self, full: bool) -> String {
        let mut said = Vec::new();
        if full {
            said.push(format!("{CONNECTIONS_PER_SOCKET} connections, the most there may be: further senders wait"));
        }
        let [refused, closed, cut] = self.counts();
        let each = [
            (refused, format!("connections were refused, for their sender had {CONNECTIONS_PER_SENDER} already")),
            (closed, "silent connections were closed, for another one waited".to_owned()),
            (cut, "unfinished messages were cut, for they held the memory of others or took too long".to_owned()),
        ];
        said.extend(each.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        said.join("; ")
    }

    /// Counts one more, and logs the first, and then ever more rarely.
    fn one_more(&self, count: &AtomicU64, what: std::fmt::Arguments<'_>) {
        let now = count.fetch_add(1, Ordering::Relaxed) + 1;
        if now.is_power_of_two() {
            tracing::warn!("{}: {what} ({now} so far)", self.address);
        }
    }
}

/// The connections of one receiver.
#[derive(Debug, Default)]
pub struct Connections {
    table: Mutex<Table>,
    /// Somebody went, or needs less.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    seats: BTreeMap<u64, Connection>,
    last: u64,
}

/// One connection.
#[derive(Debug)]
struct Connection {
    at: Arc<Socket>,
    sender: String,
    /// When it came, or last handed on a message.
    heard: Instant,
    /// Whether it has ever handed on a message.
    spoke: bool,
    /// Whether it waits for a spool, with a message in hand.
    handing: bool,
    /// What it holds of the shared memory, in bytes.
    held: usize,
    /// When the message began that is unfinished.
    begun: Option<Instant>,
    told: Option<Told>,
    wake: Arc<Notify>,
}

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// Others need the memory of its unfinished message.
    Cut,
    /// Another one needs its place.
    Leave,
}

impl Table {
    fn at<'a>(&'a self, socket: &'a Arc<Socket>) -> impl Iterator<Item = (&'a u64, &'a Connection)> {
        self.seats.iter().filter(move |(_, one)| Arc::ptr_eq(&one.at, socket))
    }

    /// The silent connection at a socket that is missed least: one that has never said anything, of the sender with the most of them.
    fn silent(&self, socket: &Arc<Socket>, of: Option<&str>) -> Option<u64> {
        let mut of_each: BTreeMap<&str, usize> = BTreeMap::new();
        self.at(socket).for_each(|(_, one)| *of_each.entry(&one.sender).or_default() += 1);
        let is_silent = |one: &Connection| !one.handing && one.heard.elapsed() >= SILENT;
        let among = self.at(socket).filter(|(_, one)| is_silent(one) && of.is_none_or(|sender| one.sender == sender));
        among.max_by_key(|(_, one)| (!one.spoke, of_each[&*one.sender], one.heard.elapsed())).map(|(id, _)| *id)
    }

    /// Whose unfinished message is cut: of the sender that holds most the one that it began first.
    fn largest(&self) -> Option<u64> {
        let mut of_each: BTreeMap<&str, usize> = BTreeMap::new();
        self.seats.values().for_each(|one| *of_each.entry(&one.sender).or_default() += one.held);
        let may = self.seats.iter().filter(|(_, one)| !one.handing && one.held > 0);
        may.max_by_key(|(_, one)| (of_each[&*one.sender], one.begun.map(|begun| begun.elapsed()))).map(|(id, _)| *id)
    }

    fn tell(&mut self, id: u64, what: Told) {
        if let Some(one) = self.seats.get_mut(&id) {
            one.told = one.told.max(Some(what));
            one.wake.notify_one();
        }
    }
}

impl Connections {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place at a socket for one more connection of `sender`; waits where all are taken. None: it has too many already.
    pub async fn enter(self: &Arc<Self>, socket: &Arc<Socket>, sender: &str) -> Option<Seat> {
        let begun = Instant::now();
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            {
                let mut table = self.table();
                let (mut all, mut own, mut leaving) = (0, 0, false);
                for (_, one) in table.at(socket) {
                    all += 1;
                    own += usize::from(one.sender == sender);
                    leaving |= one.told == Some(Told::Leave);
                }
                if own < CONNECTIONS_PER_SENDER && all < CONNECTIONS_PER_SOCKET {
                    return Some(self.sit(&mut table, socket, sender));
                }
                let among = (own >= CONNECTIONS_PER_SENDER).then_some(sender);
                // one at a time: it goes at once, unless its last message has to wait
                let silent = table.silent(socket, among).filter(|_| !leaving);
                if let Some(silent) = silent {
                    table.tell(silent, Told::Leave);
                    socket.one_more(&socket.closed, format_args!("a silent connection was closed, for another waited"));
                } else if among.is_some() && (!leaving || begun.elapsed() >= LOOK) {
                    let most = format_args!("{sender} has {CONNECTIONS_PER_SENDER} connections: one more is closed");
                    socket.one_more(&socket.refused, most);
                    return None;
                }
            }
            let _ = tokio::time::timeout(LOOK, freed).await;
        }
    }

    fn sit(self: &Arc<Self>, table: &mut Table, socket: &Arc<Socket>, sender: &str) -> Seat {
        let wake = Arc::new(Notify::new());
        table.last += 1;
        let connection = Connection {
            at: socket.clone(),
            sender: sender.to_owned(),
            heard: Instant::now(),
            spoke: false,
            handing: false,
            held: 0,
            begun: None,
            told: None,
            wake: wake.clone(),
        };
        table.seats.insert(table.last, connection);
        Seat { of: self.clone(), id: table.last, wake }
    }

    /// Says beside the spools what is wrong at their sockets, and when it no longer is.
    pub async fn tell(self: Arc<Self>, sockets: Vec<(Arc<Socket>, Vec<Arc<Standing>>)>) {
        let mut told: Vec<Saying> = sockets.iter().map(|_| Saying::default()).collect();
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            for ((socket, standings), saying) in sockets.iter().zip(&mut told) {
                let full = self.table().at(socket).count() >= CONNECTIONS_PER_SOCKET;
                let Some(wrong) = saying.next(socket, full) else { continue };
                standings.iter().for_each(|standing| match wrong.is_empty() {
                    true => drop(standing.well(&socket.address)),
                    false => standing.wrong(&socket.address, &wrong),
                });
            }
        }
    }
}

/// What is said of a socket.
#[derive(Default)]
struct Saying {
    counts: [u64; 3],
    /// When the counts last grew.
    grew: Option<Instant>,
    said: String,
    full: bool,
    at: Option<Instant>,
}

impl Saying {
    /// What is to be said now; none where that is what is said, or was so a moment ago.
    fn next(&mut self, socket: &Socket, full: bool) -> Option<String> {
        let counts = socket.counts();
        if counts != self.counts {
            (self.counts, self.grew) = (counts, Some(Instant::now()));
        }
        let is_recent = self.grew.is_some_and(|at| at.elapsed() < REMEMBER);
        let next = if full || is_recent { socket.wrong(full) } else { String::new() };
        let is_other = next.is_empty() != self.said.is_empty() || full != self.full;
        let is_due = is_other || self.at.is_none_or(|at| at.elapsed() >= RENEW);
        if next == self.said || !is_due {
            return None;
        }
        (self.full, self.at) = (full, Some(Instant::now()));
        self.said.clone_from(&next);
        Some(next)
    }
}

/// The place of one connection; dropped, it is free again.
#[derive(Debug)]
pub struct Seat {
    of: Arc<Connections>,
    id: u64,
    wake: Arc<Notify>,
}

impl Seat {
    fn change(&self, how: impl FnOnce(&mut Connection)) {
        if let Some(one) = self.of.table().seats.get_mut(&self.id) {
            how(one);
        }
    }

    /// Asks to hold so many bytes of the message that began then; whether it may. Waits where all of the memory is held by messages
    /// that wait for their spools.
    pub async fn grow(&self, bytes: usize, begun: Instant) -> bool {
        loop {
            let mut freed = std::pin::pin!(self.of.freed.notified());
            freed.as_mut().enable();
            {
                let mut table = self.of.table();
                let Some(own) = table.seats.get_mut(&self.id) else { return false };
                if own.told == Some(Told::Cut) {
                    own.told = None;
                    return false;
                }
                let before = std::mem::replace(&mut own.held, bytes);
                own.begun = Some(begun);
                // ends: each turn takes from one that held some
                let is_room = loop {
                    if table.seats.values().map(|one| one.held).sum::<usize>() <= UNFINISHED_BYTES {
                        break true;
                    }
                    let unfinished: usize = table.seats.values().filter(|one| !one.handing).map(|one| one.held).sum();
                    // where most is held by what waits for its spool, there is nothing wrong with what is unfinished
                    match table.largest().filter(|_| unfinished > UNFINISHED_BYTES / 2) {
                        Some(largest) if largest == self.id => return false,
                        Some(largest) => {
                            table.tell(largest, Told::Cut);
                            table.seats.get_mut(&largest).into_iter().for_each(|one| one.held = 0);
                        }
                        None => break false,
                    }
                };
                if is_room {
                    return true;
                }
                table.seats.get_mut(&self.id).into_iter().for_each(|own| own.held = before);
            }
            let _ = tokio::time::timeout(LOOK, freed).await;
        }
    }

    /// Says that a message is on its way to its spool, and how much is held until it is there.
    pub fn hands_on(&self, bytes: usize) {
        self.change(|one| {
            (one.handing, one.held, one.begun) = (true, bytes, None);
            // there is nothing to be cut any more
            one.told = one.told.filter(|told| *told == Told::Leave);
        });
    }

    /// Says that it is waited for more, and how much is held.
    pub fn reads_on(&self, bytes: usize) {
        self.change(|one| {
            if std::mem::take(&mut one.handing) {
                (one.heard, one.spoke) = (Instant::now(), true);
            }
            one.held = bytes;
        });
        self.of.freed.notify_waiters();
    }

    /// Counts that a message was cut.
    pub fn was_cut(&self) {
        self.change(|one| {
            one.told = one.told.filter(|told| *told == Told::Leave);
            one.at.one_more(&one.at.cut, format_args!("{}: an unfinished message was cut", one.sender));
        });
    }

    /// Waits until it is told something.
    pub async fn told(&self) -> Told {
        loop {
            let mut told = None;
            self.change(|one| {
                told = one.told;
                one.told = one.told.filter(|told| *told == Told::Leave);
            });
            match told {
                Some(told) => return told,
                None => self.wake.notified().await,
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.of.table().seats.remove(&self.id);
        self.of.freed.notify_waiters();
    }
}

#[cfg(test)]
impl Connections {
    /// What all hold together, in bytes.
    pub(super) fn held(&self) -> usize {
        self.table().seats.values().map(|one| one.held).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_sender() {
        for (ip, is) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ] {
            assert_eq!(sender(ip.parse().unwrap()), is);
        }
    }

    /// Sits at every place of a socket, as so many senders.
    async fn fill(connections: &Arc<Connections>, socket: &Arc<Socket>, senders: usize) -> Vec<Seat> {
        let mut seats = Vec::new();
        for n in 0..CONNECTIONS_PER_SOCKET {
            seats.push(connections.enter(socket, &format!("sender {}", n % senders)).await.unwrap());
        }
        seats
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_gives_its_place_to_one_that_waits() {
        let (connections, socket) = (Arc::new(Connections::default()), Socket::new(&"tcp:192.0.2.1:514"));
        let mut seats = fill(&connections, &socket, 8).await;
        // all but one have said something, and that one came last
        for seat in &seats[..255] {
            seat.hands_on(0);
            seat.reads_on(0);
        }
        let begun = Instant::now();
        let silent = seats.pop().unwrap();
        let goes = async {
            assert_eq!(silent.told().await, Told::Leave);
            drop(silent);
        };
        let (seat, ()) = tokio::join!(connections.enter(&socket, "late"), goes);
        assert!(seat.is_some() && begun.elapsed() >= SILENT, "{:?}", begun.elapsed());
        assert_eq!(socket.counts(), [0, 1, 0]);
        // those that wait for their spool are not silent: nobody is told to leave, and who comes waits
        seats.iter().chain(&seat).for_each(|seat| seat.hands_on(0));
        let waits = tokio::time::timeout(Duration::from_secs(3600), connections.enter(&socket, "later")).await;
        assert!(waits.is_err());
        assert_eq!(socket.counts(), [0, 1, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_has_its_share_of_the_places_and_its_dead_connections_make_room_for_its_new_ones() {
        let (connections, socket) = (Arc::new(Connections::default()), Socket::new(&"tcp:192.0.2.1:514"));
        let mut seats = Vec::new();
        for _ in 0..CONNECTIONS_PER_SENDER {
            seats.push(connections.enter(&socket, "one").await.unwrap());
        }
        assert!(connections.enter(&socket, "one").await.is_none());
        assert_eq!(socket.counts(), [1, 0, 0]);
        assert!(connections.enter(&socket, "another").await.is_some());
        tokio::time::advance(SILENT).await;
        let first = seats.remove(0);
        for seat in &seats {
            seat.hands_on(0);
            seat.reads_on(0);
        }
        let goes = async {
            first.told().await;
            drop(first);
        };
        assert!(tokio::join!(connections.enter(&socket, "one"), goes).0.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_cut_and_a_full_socket_are_said_and_taken_back() {
        let (dir, connections) = (tempfile::tempdir().unwrap(), Arc::new(Connections::default()));
        let _lock = crate::lock::take(&dir.path().join(super::super::standing::LOCK)).unwrap();
        let (socket, standing) = (Socket::new(&"tcp:192.0.2.1:514"), Arc::new(Standing::new(dir.path(), "test")));
        let tells = tokio::spawn(connections.clone().tell(vec![(socket.clone(), vec![standing])]));
        let said = async || {
            tokio::time::sleep(2 * LOOK).await;
            let said = super::super::standing::heard(dir.path()).unwrap().unwrap();
            said.wrong.get("tcp:192.0.2.1:514").cloned()
        };
        assert_eq!(said().await, None);
        let seats = fill(&connections, &socket, 8).await;
        assert!(said().await.unwrap().starts_with("256 connections, the most there may be"));
        seats[0].was_cut();
        drop(seats);
        assert!(said().await.unwrap().starts_with("1 unfinished messages were cut"));
        tokio::time::sleep(REMEMBER).await;
        assert_eq!(said().await, None);
        tells.abort();
    }
}
