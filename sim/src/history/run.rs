//! Runs a history: every octet that the server sends goes through its client's checks, every change in the store through the model.

use std::collections::BTreeMap;

use pillarbox_core::limits::Limits;

use super::draw::{self, NAMES};
use super::plan::{Action, Event, Plan};
use crate::client::{Client, Known};
use crate::model::{
    Account, Command, FetchItem, ListCommand, Qresync, Select, SetArg, Star, Wrong,
};
use crate::race::{Portions, Race};
use crate::random::Random;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands sent.
    pub commands: u64,
    /// Octets both ways.
    pub octets: u64,
    /// Responses and changes that were checked.
    pub checks: u64,
    /// Times a client was cut off.
    pub cuts: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.commands += more.commands;
        self.octets += more.octets;
        self.checks += more.checks;
        self.cuts += more.cuts;
    }
}

/// A run in which something was wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The event after which it came out.
    pub step: usize,
    /// What was wrong.
    pub wrong: Wrong,
    /// What was said.
    pub log: Vec<String>,
}

const USERS: [&str; 3] = ["tim", "ann", "bob"];

/// Steps for each octet, and for each command and connection, before a run counts as one that does more work than there is (INV-36).
const WORK: (u64, u64) = (60, 20_000);

/// Octets of one response, or of a slice of one: so many may be held above the high-water mark (INV-33, INV-34).
const SLICE: usize = 4096;

/// Polls in a row of which nothing comes (INV-34): events alone, as at the end of a session.
const IN_VAIN: u32 = 8;

/// A client and its present connection.
struct Session {
    link: usize,
    user: &'static str,
    enables: &'static [&'static str],
}

struct World {
    race: Race,
    accounts: BTreeMap<String, Account>,
    /// A mirror for each connection there was.
    links: Vec<Client>,
    names: Vec<String>,
    /// The connections that were cut: what they still say goes nowhere.
    cut: Vec<bool>,
    sessions: Vec<Session>,
    portions: Portions,
    jumps: bool,
    starttls: bool,
    paged: bool,
    /// Octets that a session may hold for a client that does not read.
    most_held: usize,
    counts: Counts,
    log: Vec<String>,
    steps: u64,
}

/// How a history is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// As its seed says.
    Free,
    /// All comes to rest after each event, and octets are cut so.
    Calm(Portions),
}

/// Runs the events of a plan that `keep` keeps.
///
/// # Errors
/// What was wrong, and all that was said.
pub fn run(plan: &Plan, keep: &[bool], pace: Pace) -> Result<Counts, Failure> {
    run_world(plan, keep, pace).map(|world| Counts {
        octets: world.race.octets,
        checks: world.links.iter().map(|c| c.checks).sum(),
        ..world.counts
    })
}

/// What was said on the connections of these sessions, line by line, and how often each asked the store.
///
/// # Errors
/// What was wrong, and all that was said.
pub fn transcript(
    plan: &Plan,
    keep: &[bool],
    pace: Pace,
    sessions: impl Fn(usize) -> bool,
) -> Result<(Vec<String>, BTreeMap<String, u64>), Failure> {
    let world = run_world(plan, keep, pace)?;
    let of = |line: &str| {
        let letter = line.bytes().next().unwrap_or(0);
        let session = usize::from(letter.wrapping_sub(b'a'));
        session < plan.swarm.sessions.len() && sessions(session)
    };
    let lines = world.log.iter().filter(|l| of(l)).cloned().collect();
    let links = world.names.iter().enumerate().filter(|(_, name)| of(name));
    let effects = links.map(|(link, name)| (name.clone(), world.race.effects(link)));
    Ok((lines, effects.collect()))
}

/// Runs them again, and records every connection; by its name in what was said.
#[must_use]
pub fn record(plan: &Plan, keep: &[bool], pace: Pace) -> BTreeMap<String, String> {
    let mut world = World::new(plan, pace);
    world.race.record();
    // How it goes is known already.
    let _ = world.play(plan, keep, pace);
    let recordings = world.race.into_recordings();
    world.names.into_iter().zip(recordings).collect()
}

fn run_world(plan: &Plan, keep: &[bool], pace: Pace) -> Result<World, Failure> {
    let mut world = World::new(plan, pace);
    match world.play(plan, keep, pace) {
        Ok(()) => Ok(world),
        Err((step, wrong)) => Err(Failure {
            step,
            wrong,
            log: world.log,
        }),
    }
}

impl World {
    fn new(plan: &Plan, pace: Pace) -> Self {
        let swarm = &plan.swarm;
        let mut limits = Limits::default();
        if swarm.small_windows {
            limits.changes_page = 1;
            limits.ranges_page = 1;
            limits.fetch_page = 200;
            limits.store_window = 2;
            limits.move_window = 2;
            limits.inline_body = 10;
            limits.body_window = 16;
        }
        limits.output_high_water = swarm.high_water;
        let most_held = swarm.high_water.max(limits.output_before_login) + SLICE;
        let mut race = Race::new(&USERS[..swarm.accounts], limits);
        if swarm.starttls {
            race.offer_tls();
        }
        Self {
            race,
            most_held,
            paged: swarm.small_windows,
            starttls: swarm.starttls,
            accounts: USERS[..swarm.accounts]
                .iter()
                .map(|user| ((*user).to_owned(), Account::default()))
                .collect(),
            links: Vec::new(),
            names: Vec::new(),
            cut: Vec::new(),
            sessions: Vec::new(),
            portions: match pace {
                Pace::Free => swarm.portions,
                Pace::Calm(portions) => portions,
            },
            jumps: swarm.jumps,
            counts: Counts::default(),
            log: Vec::new(),
            steps: 0,
        }
    }

    /// Runs it to its end, or to the event after which something was wrong.
    fn play(&mut self, plan: &Plan, keep: &[bool], pace: Pace) -> Result<(), (usize, Wrong)> {
        self.begin(plan, keep).map_err(|wrong| (0, wrong))?;
        for (at, event) in plan.events.iter().enumerate().filter(|(at, _)| keep[*at]) {
            self.event(event, pace).map_err(|wrong| (at, wrong))?;
        }
        let at = plan.events.len();
        self.compare(plan.seed, true).map_err(|wrong| (at, wrong))
    }

    /// INBOX is there from the beginning; everyone signs in.
    fn begin(&mut self, plan: &Plan, keep: &[bool]) -> Result<(), Wrong> {
        for (number, user) in (1..).zip(&USERS[..plan.swarm.accounts]) {
            let counters = self.race.counters(number, "INBOX");
            let account = self.accounts.get_mut(*user);
            if let (Some(account), Some(counters)) = (account, counters) {
                account.settle(0, &counters)?;
            }
        }
        let mut random = Random::new(plan.seed ^ 1);
        let used = |session: usize| {
            let mut kept = plan.events.iter().zip(keep).filter(|(_, keep)| **keep);
            kept.any(|(event, _)| event.session == session)
        };
        for (at, &(account, enables)) in plan.swarm.sessions.iter().enumerate() {
            let user = USERS[account];
            let link = self.connect(at);
            self.sessions.push(Session {
                link,
                user,
                enables,
            });
            if !used(at) {
                continue;
            }
            self.sign_in(link, user, enables)?;
            for name in &NAMES[1..=plan.swarm.mailboxes] {
                self.send(link, Command::Create((*name).to_owned(), None));
            }
            self.send(link, select("INBOX"));
        }
        self.settle(&mut random)?;
        self.race.faults = plan.swarm.faults;
        Ok(())
    }

    /// A new connection of this session; past the last one, of one that looks at all when it is over.
    fn connect(&mut self, session: usize) -> usize {
        let link = self.race.connect();
        let mut client = Client::default();
        client.paged = self.paged;
        self.links.push(client);
        let letter = char::from(b'a' + u8::try_from(session % 26).unwrap_or(0));
        let before = self.names.iter().filter(|n| n.starts_with(letter)).count();
        self.names.push(format!("{letter}{before}"));
        self.cut.push(false);
        link
    }

    fn sign_in(
        &mut self,
        link: usize,
        user: &str,
        enables: &'static [&'static str],
    ) -> Result<(), Wrong> {
        // By the name: numbers depend on what others do.
        if self.starttls && self.names[link].ends_with(['0', '2', '4', '6', '8']) {
            self.encrypt(link)?;
        }
        self.send(link, Command::Login(user.to_owned()));
        if !enables.is_empty() {
            self.send(link, Command::Enable(enables));
        }
        Ok(())
    }

    /// INV-31: of what is sent behind STARTTLS before TLS is there, nothing is run and nothing stays.
    fn encrypt(&mut self, link: usize) -> Result<(), Wrong> {
        self.send(link, Command::Plain("STARTTLS"));
        self.race.send(link, b"s1 LOGIN tim pw\r\ns2 LOG");
        let mut random = Random::new(link as u64);
        while self.step(link, &mut random)? {}
        match self.race.begin_tls(link) {
            true => Ok(()),
            false => Err("INV-31: STARTTLS is answered, and TLS is not waited for".to_owned()),
        }
    }

    fn send(&mut self, link: usize, command: Command) {
        self.counts.commands += 1;
        let name = format!("{}.", self.names[link]);
        let octets = self.links[link].send(&name, command, self.race.sent(link));
        self.log
            .push(format!("{} > {}", self.names[link], octets.escape_ascii()));
        self.race.send(link, &octets);
    }

    fn event(&mut self, event: &Event, pace: Pace) -> Result<(), Wrong> {
        let mut random = Random::new(event.seed);
        let at = event.session;
        let link = self.sessions[at].link;
        if self.links[link].ended || self.race.closed(link) {
            self.come_back(at, &mut random)?;
        } else if self.links[link].idles().is_some() {
            self.end_idle(link);
        } else if !self.links[link].waits() {
            self.act(at, event.action, &mut random)?;
        }
        if pace != Pace::Free {
            return self.settle(&mut random);
        }
        for _ in 0..event.moves {
            let link = random.below(self.links.len());
            self.step(link, &mut random)?;
        }
        Ok(())
    }

    fn act(&mut self, at: usize, action: Action, random: &mut Random) -> Result<(), Wrong> {
        let link = self.sessions[at].link;
        match action {
            Action::Cut => {
                self.counts.cuts += 1;
                self.cut[link] = true;
                self.log.push(format!("{} is cut off", self.names[link]));
                self.race.cut(link, random.one_in(2));
                self.come_back(at, random)?;
            }
            Action::Stall => self.race.stall(link, true),
            Action::Unstall => self.race.stall(link, false),
            Action::Revoke => {
                self.log
                    .push(format!("{} is no longer welcome", self.names[link]));
                self.links[link].revoke();
                self.race.revoke(link);
            }
            Action::Jump if self.jumps => {
                let seconds = *random.pick(&[-3600, 3600, 30 * 365 * 86_400, -30 * 365 * 86_400]);
                self.log
                    .push(format!("the wall clock jumps by {seconds} s"));
                self.race.jump(seconds);
            }
            Action::Jump => {}
            Action::Compare => self.compare(random.draw(), false)?,
            action => {
                let selected = self.links[link].will_select().is_some();
                let action = match selected || random.one_in(20) || free(action) {
                    true => action,
                    false => Action::Select,
                };
                if let Some(command) = draw::command(action, &self.links[link], random) {
                    self.send(link, command);
                }
            }
        }
        Ok(())
    }

    /// DONE, if the server said that it listens.
    fn end_idle(&mut self, link: usize) {
        if self.links[link].idles() == Some(true) && !self.links[link].said_done {
            self.links[link].said_done = true;
            self.log.push(format!("{} > DONE", self.names[link]));
            self.race.send(link, b"DONE\r\n");
        }
    }

    /// A new connection for a client; with QRESYNC it says what it knows (RFC 7162 §3.2.5).
    fn come_back(&mut self, at: usize, random: &mut Random) -> Result<(), Wrong> {
        let old = self.sessions[at].link;
        let known = self.links[old].known_at(self.race.arrived(old));
        let link = self.connect(at);
        let (was, is) = (&self.names[old], &self.names[link]);
        self.log.push(format!("{was} comes back as {is}"));
        self.sessions[at].link = link;
        let (user, enables) = (self.sessions[at].user, self.sessions[at].enables);
        self.sign_in(link, user, enables)?;
        let Some(known) = known.filter(|k| k.validity > 0) else {
            return Ok(());
        };
        self.links[link].remember(&known);
        let select = Select {
            name: known.name.clone(),
            read_only: random.one_in(8),
            condstore: false,
            qresync: Some(qresync(&known, random)),
        };
        self.send(link, Command::Select(select));
        Ok(())
    }

    /// Something moves on a connection, and what comes of it is looked at.
    fn step(&mut self, link: usize, random: &mut Random) -> Result<bool, Wrong> {
        let moved = self.race.step(link, random, self.portions);
        if moved {
            self.steps += 1;
            self.measure(link)?;
            self.look(link)?;
        }
        Ok(moved)
    }

    /// What a step may take and leave.
    fn measure(&mut self, link: usize) -> Result<(), Wrong> {
        let held = self.race.held(link);
        if held > self.most_held {
            return Err(format!(
                "INV-33: {held} octets are held for a client that does not read, {} may be",
                self.most_held
            ));
        }
        if self.race.in_vain(link) > IN_VAIN {
            return Err("INV-34: polls are answered, and nothing comes of them".to_owned());
        }
        if self.steps > WORK.1 + WORK.0 * self.race.octets {
            return Err("INV-36: steps are taken, and nothing comes of them".to_owned());
        }
        Ok(())
    }

    fn look(&mut self, link: usize) -> Result<(), Wrong> {
        for deed in self.race.deeds() {
            let client = &mut self.links[link];
            if deed.fault {
                self.log
                    .push(format!("{} has a store that fails", self.names[link]));
                client.fault();
                continue;
            }
            let number = deed.account;
            let user = client.user.clone().unwrap_or_default();
            let mine = USERS.iter().position(|u| *u == user).map(|i| i as u64 + 1);
            let Some(account) = self
                .accounts
                .get_mut(&user)
                .filter(|_| mine == Some(number))
            else {
                return Err(format!("INV-28: {deed:?} is done for {user}"));
            };
            for place in client.deed(account, &deed)? {
                let Some(name) = account.boxes[place].name().map(str::to_owned) else {
                    continue;
                };
                let Some(counters) = self.race.counters(number, &name) else {
                    return Err(format!("INV-21: {name} is to be there, and is not"));
                };
                account.settle(place, &counters)?;
            }
        }
        let fresh = self.race.fresh(link);
        let taken = self.race.taken(link);
        let (log, client, name) = (&mut self.log, &mut self.links[link], &self.names[link]);
        if !fresh.is_empty() {
            client.come(&fresh, taken, &self.accounts, &mut |octets| {
                log.push(format!("{name} < {}", octets.escape_ascii()));
            })?;
        }
        client.go_on(taken, &self.accounts);
        if self.cut[link] {
            return Ok(());
        }
        while let Some(piece) = self.links[link].next_piece(self.race.sent(link)) {
            self.log
                .push(format!("{} > {}", self.names[link], piece.escape_ascii()));
            self.race.send(link, &piece);
        }
        Ok(())
    }

    /// Everything moves until nothing can.
    fn settle(&mut self, random: &mut Random) -> Result<(), Wrong> {
        loop {
            let mut moved = false;
            for link in 0..self.links.len() {
                while self.step(link, random)? {
                    moved = true;
                }
            }
            if !moved {
                return Ok(());
            }
        }
    }

    /// All comes to rest (INV-41), every client hears everything (INV-19), and, with `fresh`, so does one for each account that has just come.
    fn compare(&mut self, seed: u64, fresh: bool) -> Result<(), Wrong> {
        let faults = std::mem::take(&mut self.race.faults);
        self.at_rest(seed)?;
        self.race.faults = faults;
        match fresh {
            true => self.observe(&mut Random::new(seed)),
            false => Ok(()),
        }
    }

    fn at_rest(&mut self, seed: u64) -> Result<(), Wrong> {
        let random = &mut Random::new(seed);
        for link in 0..self.links.len() {
            self.race.stall(link, false);
        }
        for _ in 0..2 {
            self.settle(random)?;
            for at in 0..self.sessions.len() {
                self.end_idle(self.sessions[at].link);
            }
        }
        for round in 0..2 {
            self.settle(random)?;
            for at in 0..self.sessions.len() {
                let link = self.sessions[at].link;
                if self.links[link].ended || self.race.closed(link) {
                    continue;
                }
                if self.links[link].is_revoked() {
                    return Err(
                        "INV-30: the account is disabled, and its session goes on".to_owned()
                    );
                }
                self.answered(link)?;
                match round {
                    0 => self.send(link, Command::Plain("NOOP")),
                    _ => {
                        let client = &self.links[link];
                        client.agrees(client.user.as_ref().and_then(|u| self.accounts.get(u)))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn answered(&self, link: usize) -> Result<(), Wrong> {
        match self.links[link].sent.front() {
            None => Ok(()),
            Some(sent) => Err(format!(
                "INV-41: {} {:?} is not answered, though nothing stands in its way",
                sent.tag, sent.command
            )),
        }
    }

    /// One that has just come sees each account whole.
    fn observe(&mut self, random: &mut Random) -> Result<(), Wrong> {
        self.race.faults = 0;
        let users: Vec<String> = self.accounts.keys().cloned().collect();
        for user in users {
            let link = self.connect(self.sessions.len());
            self.sign_in(link, &user, &["CONDSTORE"])?;
            let all = ListCommand {
                patterns: vec!["*".to_owned()],
                return_subscribed: true,
                ..ListCommand::default()
            };
            self.send(link, Command::List(all));
            for name in self.accounts[&user].names() {
                let items =
                    "MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ MAILBOXID";
                let items = items.split(' ').collect();
                self.send(link, Command::Status(name.clone(), items));
                self.send(link, select(&name));
                let names = [
                    "FLAGS",
                    "UID",
                    "MODSEQ",
                    "INTERNALDATE",
                    "RFC822.SIZE",
                    "EMAILID",
                ];
                let plain = names.iter().map(|n| FetchItem::Plain(n));
                let command = Command::Fetch {
                    uid: true,
                    set: SetArg::Ranges(vec![(Star::Number(1), Star::Last)]),
                    items: plain.chain([FetchItem::Body("", true, None)]).collect(),
                    since: None,
                    vanished: false,
                };
                self.send(link, command);
                self.settle(random)?;
                self.answered(link)?;
                self.links[link].agrees(self.accounts.get(&user))?;
            }
        }
        Ok(())
    }
}

/// What needs no selected mailbox.
fn free(action: Action) -> bool {
    matches!(
        action,
        Action::Append
            | Action::MultiAppend
            | Action::Noop
            | Action::Plain
            | Action::Select
            | Action::Idle
            | Action::Status
            | Action::List
            | Action::Create
            | Action::Delete
            | Action::Rename
            | Action::Subscribe
            | Action::Broken
            | Action::Logout
    )
}

fn select(name: &str) -> Command {
    Command::Select(Select {
        name: name.to_owned(),
        read_only: false,
        condstore: false,
        qresync: None,
    })
}

fn qresync(known: &Known, random: &mut Random) -> Qresync {
    let uids: Vec<u32> = known.messages.iter().map(|m| m.1).collect();
    let numbers: Vec<u32> = known.messages.iter().map(|m| m.0).collect();
    let some = !uids.is_empty() && random.one_in(2);
    let matching = some && random.one_in(2);
    Qresync {
        validity: known.validity,
        modseq: known.highest.max(1),
        known: some.then(|| uids.clone()),
        matching: matching.then(|| {
            let at = random.below(uids.len());
            (numbers[at..].to_vec(), uids[at..].to_vec())
        }),
    }
}
