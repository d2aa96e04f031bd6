//! What a seed decides before anything runs: the swarm, and a list of events, each with a seed of its own, so that taking one away leaves the others as they
//! are.

use crate::race::Portions;
use crate::random::Random;

/// What happens on one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// APPEND of one message.
    Append,
    /// APPEND of several.
    MultiAppend,
    /// FETCH of flags and numbers.
    Fetch,
    /// FETCH of octets.
    FetchBody,
    /// FETCH with CHANGEDSINCE.
    FetchChanged,
    /// STORE.
    Store,
    /// STORE with UNCHANGEDSINCE.
    StoreUnchanged,
    /// SEARCH.
    Search,
    /// SEARCH with RETURN.
    SearchReturn,
    /// EXPUNGE.
    Expunge,
    /// UID EXPUNGE.
    UidExpunge,
    /// COPY.
    Copy,
    /// MOVE.
    Move,
    /// NOOP or CHECK.
    Noop,
    /// CAPABILITY, NAMESPACE, ID.
    Plain,
    /// SELECT or EXAMINE.
    Select,
    /// CLOSE or UNSELECT.
    Leave,
    /// IDLE.
    Idle,
    /// STATUS.
    Status,
    /// LIST and LSUB.
    List,
    /// CREATE.
    Create,
    /// DELETE.
    Delete,
    /// RENAME.
    Rename,
    /// SUBSCRIBE and UNSUBSCRIBE.
    Subscribe,
    /// A command no grammar has.
    Broken,
    /// The connection breaks, and the client comes back.
    Cut,
    /// LOGOUT, and the client comes back.
    Logout,
    /// The client stops reading.
    Stall,
    /// It reads again.
    Unstall,
    /// The account is disabled for a moment: this session of it ends.
    Revoke,
    /// The wall clock jumps.
    Jump,
    /// All comes to rest, and every client's belief is compared.
    Compare,
}

/// Every action that a swarm may draw, and how often it usually comes.
const ACTIONS: [(Action, usize); 31] = [
    (Action::Append, 8),
    (Action::MultiAppend, 3),
    (Action::Fetch, 8),
    (Action::FetchBody, 4),
    (Action::FetchChanged, 3),
    (Action::Store, 10),
    (Action::StoreUnchanged, 4),
    (Action::Search, 4),
    (Action::SearchReturn, 4),
    (Action::Expunge, 4),
    (Action::UidExpunge, 3),
    (Action::Copy, 4),
    (Action::Move, 5),
    (Action::Noop, 4),
    (Action::Plain, 1),
    (Action::Select, 4),
    (Action::Leave, 1),
    (Action::Idle, 3),
    (Action::Status, 3),
    (Action::List, 2),
    (Action::Create, 1),
    (Action::Delete, 1),
    (Action::Rename, 1),
    (Action::Subscribe, 1),
    (Action::Broken, 1),
    (Action::Cut, 2),
    (Action::Logout, 1),
    (Action::Stall, 1),
    (Action::Unstall, 1),
    (Action::Revoke, 1),
    (Action::Jump, 1),
];

/// One event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Whose connection.
    pub session: usize,
    /// What.
    pub action: Action,
    /// Decides all else about it.
    pub seed: u64,
    /// Steps that anything may take after it.
    pub moves: usize,
}

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// The account of each session, and what it enables.
    pub sessions: Vec<(usize, &'static [&'static str])>,
    /// How many accounts there are.
    pub accounts: usize,
    /// How octets are cut.
    pub portions: Portions,
    /// Small windows: more places where another session may come between.
    pub small_windows: bool,
    /// Octets of output that are held at most, for a peer that does not read.
    pub high_water: usize,
    /// Whether the wall clock jumps.
    pub jumps: bool,
    /// Whether every other connection begins TLS first, with commands behind STARTTLS that are not to be run.
    pub starttls: bool,
    /// Of so many effects one fails; 0: none does.
    pub faults: usize,
    /// Mailboxes a history begins with, INBOX not among them.
    pub mailboxes: usize,
}

/// A history.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// What it is made of.
    pub swarm: Swarm,
    /// What happens, in order.
    pub events: Vec<Event>,
}

const ENABLES: [&[&str]; 6] = [
    &[],
    &["CONDSTORE"],
    &["QRESYNC"],
    &["QRESYNC"],
    &["IMAP4rev2", "QRESYNC"],
    &["IMAP4rev2"],
];

impl Plan {
    /// The history that these octets spell, so that what makes octets makes histories: two of the swarm, two for each session, five for each event; `None`:
    /// too few.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = octets.split_first_chunk()?;
        let (accounts, count) = (usize::from(first % 3) + 1, usize::from(first / 3 % 4) + 1);
        let (sessions, events) = rest.split_at_checked(2 * count)?;
        let session = |s: &[u8]| {
            let enables = ENABLES[usize::from(s[1]) % ENABLES.len()];
            (usize::from(s[0]) % accounts, enables)
        };
        let swarm = Swarm {
            sessions: sessions.chunks_exact(2).map(session).collect(),
            accounts,
            portions: [Portions::Few, Portions::Whole][usize::from(first / 12 % 2)],
            small_windows: first / 24 % 2 == 1,
            high_water: [600, 4000, 256 << 10][usize::from(first / 48 % 3)],
            jumps: true,
            starttls: second / 32 % 2 == 1,
            faults: usize::from(second % 8) * 10,
            mailboxes: usize::from(second / 8 % 4),
        };
        let event = |e: &[u8]| Event {
            session: usize::from(e[0]) % count,
            action: match ACTIONS.get(usize::from(e[1]) % (ACTIONS.len() + 1)) {
                Some((action, _)) => *action,
                None => Action::Compare,
            },
            seed: u64::from(e[2]) << 8 | u64::from(e[3]),
            moves: usize::from(e[4]),
        };
        Some(Self {
            seed: u64::from(second),
            swarm,
            events: events.chunks_exact(5).take(40).map(event).collect(),
        })
    }

    /// The history of this seed, of about so many events.
    #[must_use]
    pub fn new(seed: u64, length: usize) -> Self {
        let mut random = Random::new(seed);
        let accounts = *random.pick(&[1, 1, 2, 3]);
        let count = random.below(7) + 2;
        let sessions = (0..count).map(|_| (random.below(accounts), *random.pick(&ENABLES)));
        let swarm = Swarm {
            sessions: sessions.collect(),
            accounts,
            portions: Portions::Few,
            small_windows: random.one_in(2),
            high_water: *random.pick(&[600, 4000, 256 << 10]),
            jumps: true,
            starttls: random.one_in(3),
            faults: *random.pick(&[0, 0, 0, 40]),
            mailboxes: random.below(4),
        };
        let weights = weights(&mut random);
        let total: usize = weights.iter().map(|w| w.1).sum();
        let (stays, rests) = (random.below(4), random.below(3));
        let busy = *random.pick(&[4, 12, 40]);
        let mut events = Vec::with_capacity(length);
        let mut session = 0;
        for _ in 0..length {
            // Commands in a row on one connection, nothing moving between: a pipeline.
            let pipelined = stays > 0 && random.below(stays + 1) > 0;
            if !pipelined {
                session = random.below(count);
            }
            let mut draw = random.below(total);
            let drawn = weights.iter().find(|(_, weight)| {
                let here = draw < *weight;
                draw = draw.saturating_sub(*weight);
                here
            });
            let mut action = drawn.map_or(Action::Noop, |w| w.0);
            if random.one_in(40) {
                action = Action::Compare;
            }
            let moves = match pipelined && random.below(rests + 1) > 0 {
                true => 0,
                false => random.below(busy),
            };
            events.push(Event {
                session,
                action,
                seed: random.draw(),
                moves,
            });
        }
        Self {
            seed,
            swarm: Swarm {
                portions: *random.pick(&[Portions::Few, Portions::Few, Portions::Whole]),
                ..swarm
            },
            events,
        }
    }
}

/// Each run leaves some actions out and does others more often.
fn weights(random: &mut Random) -> Vec<(Action, usize)> {
    ACTIONS
        .iter()
        .map(|&(action, weight)| match random.below(6) {
            0 if weight < 8 => (action, 0),
            1 => (action, weight * 3),
            _ => (action, weight),
        })
        .collect()
}
