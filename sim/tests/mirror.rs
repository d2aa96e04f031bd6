//! Sessions with random commands on shared mailboxes, in random order of every effect, reply, notice and octet. Each client believes what it
//! is told and nothing else; where all is quiet its belief must be the mailbox.

use std::collections::BTreeMap;

use pillarbox_sim::{Change, FlagSet, Mirror, Race, Random, Sent};

/// What each client switches on.
const ENABLES: [&str; 5] = ["", "CONDSTORE", "QRESYNC", "IMAP4rev2 QRESYNC", "IMAP4rev2"];
const FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Deleted", "\\Draft", "Work"];
const BOXES: [&str; 2] = ["INBOX", "Other"];

struct Client {
    link: usize,
    mirror: Mirror,
    enable: &'static str,
    selected: Option<&'static str>,
    read_only: bool,
    idling: bool,
    /// The mailbox `mirror.cache` is of.
    cached: Option<(&'static str, u32)>,
    tags: u32,
}

struct World {
    race: Race,
    clients: Vec<Client>,
    random: Random,
    seed: u64,
    log: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            race: Race::new(),
            clients: Vec::new(),
            random: Random::new(seed),
            seed,
            log: Vec::new(),
        };
        for enable in ENABLES {
            let client = Client {
                link: world.race.connect(),
                mirror: Mirror::default(),
                enable,
                selected: None,
                read_only: false,
                idling: false,
                cached: None,
                tags: 0,
            };
            world.clients.push(client);
        }
        for at in 0..ENABLES.len() {
            world.sign_in(at);
        }
        world.plain(0, "CREATE Other");
        world.quiet();
        world
    }

    fn fail(&self, text: &str) -> ! {
        let from = self.log.len().saturating_sub(100);
        panic!(
            "seed {}: {text}\nthe last of what was said:\n{}",
            self.seed,
            self.log[from..].join("\n") + "\n" + text
        );
    }

    fn send(&mut self, at: usize, line: &str, sent: Sent) {
        let client = &mut self.clients[at];
        client.tags += 1;
        let tag = format!(
            "{}{}",
            char::from(b'a' + u8::try_from(at).unwrap()),
            client.tags
        );
        let line = format!("{tag} {line}\r\n");
        self.log.push(format!("{at} > {}", line.trim_end()));
        client.mirror.send(Sent {
            tag,
            line: line.clone(),
            ..sent
        });
        self.race.send(client.link, line.as_bytes());
    }

    fn plain(&mut self, at: usize, line: &str) {
        self.send(at, line, Sent::default());
    }

    fn sign_in(&mut self, at: usize) {
        self.plain(at, "LOGIN tim pw");
        let enable = self.clients[at].enable;
        if !enable.is_empty() {
            self.plain(at, &format!("ENABLE {enable}"));
        }
    }

    /// Reads what arrived at one client.
    fn read(&mut self, at: usize) {
        let client = &mut self.clients[at];
        for response in self.race.responses(client.link) {
            self.log.push(format!("{at} < {}", response.trim_end()));
            if let Err(wrong) = client.mirror.told(&response) {
                self.fail(&format!("client {at}: {wrong}"));
            }
        }
    }

    /// Lets everything come to rest, and every client hear everything.
    fn quiet(&mut self) {
        for at in 0..self.clients.len() {
            self.end_idle(at);
        }
        for round in 0..2 {
            self.race.settle(&mut self.random);
            for at in 0..self.clients.len() {
                self.read(at);
                if !self.clients[at].mirror.sent.is_empty() {
                    self.fail(&format!(
                        "client {at} waits for an answer that does not come"
                    ));
                }
                if round == 0 {
                    self.plain(at, "NOOP");
                }
            }
        }
    }

    fn end_idle(&mut self, at: usize) {
        let client = &mut self.clients[at];
        if std::mem::take(&mut client.idling) {
            self.log.push(format!("{at} > DONE"));
            self.race.send(client.link, b"DONE\r\n");
        }
    }

    /// What is really in a mailbox: UID to flags, as one that has just come sees it.
    fn truth(&mut self, mailbox: &str) -> BTreeMap<u32, FlagSet> {
        let link = self.race.connect();
        let script = format!(
            "a LOGIN tim pw\r\nb EXAMINE {mailbox}\r\nc FETCH 1:* (UID FLAGS)\r\nd LOGOUT\r\n"
        );
        self.race.send(link, script.as_bytes());
        self.race.settle(&mut self.random);
        let mut mirror = Mirror::default();
        for response in self.race.responses(link) {
            if response.starts_with("* ") && mirror.told(&response).is_err() {
                self.fail(&format!("one that has just come is told {response}"));
            }
        }
        mirror
            .entries
            .into_iter()
            .filter_map(|e| Some((e.uid?, e.flags?)))
            .collect()
    }

    /// Every client's belief is the mailbox.
    fn compare(&mut self) {
        self.quiet();
        let truth: Vec<_> = BOXES.iter().map(|name| self.truth(name)).collect();
        for at in 0..self.clients.len() {
            let client = &self.clients[at];
            let Some(name) = client.selected else {
                continue;
            };
            let truth = &truth[BOXES.iter().position(|b| *b == name).unwrap()];
            let entries = &client.mirror.entries;
            if entries.len() != truth.len() {
                self.fail(&format!(
                    "client {at} believes in {} messages of {name}, there are {}",
                    entries.len(),
                    truth.len()
                ));
            }
            for (entry, (uid, flags)) in entries.iter().zip(truth) {
                let known = entry.flags.as_ref().is_none_or(|f| f == flags);
                if entry.uid.is_some_and(|u| u != *uid) || !known {
                    self.fail(&format!(
                        "client {at} believes {entry:?} of {name}, and UID {uid} has {flags:?}"
                    ));
                }
            }
        }
    }

    /// Cuts a client off and lets it come back; with QRESYNC it must be told the difference, and no more.
    fn reconnect(&mut self, at: usize) {
        let client = &mut self.clients[at];
        self.race.drop_link(client.link);
        client.mirror.disconnect();
        client.link = self.race.connect();
        client.idling = false;
        let was = client.selected.take();
        let validity = client.mirror.uid_validity;
        client.cached = was.map(|name| (name, validity));
        self.log.push(format!("{at} comes back"));
        self.sign_in(at);
        let qresync = self.clients[at].enable.contains("QRESYNC");
        let (Some(name), true) = (was, qresync) else {
            self.clients[at].mirror.cache.clear();
            return;
        };
        let mirror = &self.clients[at].mirror;
        let known: Vec<String> = mirror.cache.keys().map(u32::to_string).collect();
        let known = match known.is_empty() || self.random.one_in(2) {
            true => String::new(),
            false => format!(" {}", known.join(",")),
        };
        let line = format!(
            "SELECT {name} (QRESYNC ({validity} {}{known}))",
            mirror.highest.max(1)
        );
        self.select(at, name, false, &line);
        self.until_answered(at);
        if self.clients[at].mirror.entries.is_empty() {
            self.clients[at].mirror.cache.clear();
            return;
        }
        let last = u32::try_from(self.clients[at].mirror.entries.len()).unwrap();
        let sent = Sent {
            by_number: true,
            numbers: vec![(1, last)],
            fetches: true,
            ..Sent::default()
        };
        self.send(at, &format!("FETCH 1:{last} UID"), sent);
        self.until_answered(at);
        if !self.clients[at].mirror.cache.is_empty() {
            let left = self.clients[at].mirror.cache.clone();
            self.fail(&format!("client {at} was not told that {left:?} are gone"));
        }
    }

    fn select(&mut self, at: usize, name: &'static str, read_only: bool, line: &str) {
        let sent = Sent {
            selects: true,
            ..Sent::default()
        };
        self.clients[at].selected = Some(name);
        self.clients[at].read_only = read_only;
        self.send(at, line, sent);
    }

    /// Everything moves, others too, until this client's commands are answered.
    fn until_answered(&mut self, at: usize) {
        for _ in 0..100_000 {
            if self.clients[at].mirror.sent.is_empty() {
                return;
            }
            let who = self.random.below(self.clients.len());
            let link = self.clients[who].link;
            self.race.step(link, &mut self.random);
            self.read(who);
        }
        self.fail(&format!(
            "client {at} waits for an answer that does not come"
        ));
    }

    /// One burst of commands, or a change of mailbox, or the end of a connection.
    fn burst(&mut self) {
        let at = self.random.below(self.clients.len());
        self.end_idle(at);
        if self.clients[at].selected.is_none() || self.random.one_in(25) {
            self.until_answered(at);
            let name = *self.random.pick(&BOXES);
            let read_only = self.random.one_in(6);
            let verb = if read_only { "EXAMINE" } else { "SELECT" };
            self.select(at, name, read_only, &format!("{verb} {name}"));
            self.until_answered(at);
        } else if self.random.one_in(30) {
            self.reconnect(at);
        } else if self.random.one_in(60) {
            self.until_answered(at);
            let verb = *self.random.pick(&["CLOSE", "UNSELECT"]);
            self.clients[at].selected = None;
            let sent = Sent {
                leaves: true,
                ..Sent::default()
            };
            self.send(at, verb, sent);
            self.until_answered(at);
        } else {
            for _ in 0..=self.random.below(4) {
                self.command(at);
            }
        }
        for _ in 0..self.random.below(60) {
            let who = self.random.below(self.clients.len());
            let link = self.clients[who].link;
            self.race.step(link, &mut self.random);
            self.read(who);
        }
    }

    fn command(&mut self, at: usize) {
        match self.random.below(20) {
            0..3 => self.append(at),
            3..6 => self.fetch(at),
            6..10 => self.store(at),
            10 => self.search(at),
            11 | 12 => self.expunge(at),
            13 | 14 => self.copy(at),
            15 => self.plain(at, "NOOP"),
            16 => {
                let name = *self.random.pick(&BOXES);
                self.plain(
                    at,
                    &format!("STATUS {name} (MESSAGES UIDNEXT UNSEEN DELETED SIZE)"),
                );
            }
            17 if self.clients[at].mirror.sent.is_empty() => {
                self.plain(at, "IDLE");
                self.clients[at].idling = true;
                self.race.settle(&mut self.random);
                self.read(at);
                self.end_idle(at);
            }
            _ => self.fetch_flags(at),
        }
    }

    fn append(&mut self, at: usize) {
        let name = *self.random.pick(&BOXES);
        let flag = *self.random.pick(&FLAGS);
        let message = format!("Subject: {}\r\n\r\nx\r\n", self.random.below(1000));
        let literal = format!("{{{}+}}\r\n{message}", message.len());
        let again = if self.random.one_in(3) {
            format!(" {literal}")
        } else {
            String::new()
        };
        self.plain(at, &format!("APPEND {name} ({flag}) {literal}{again}"));
    }

    /// A set of numbers as this client counts them; now and then one too many.
    fn numbers(&mut self, at: usize) -> Option<(String, Vec<(u32, u32)>)> {
        let len = self.clients[at].mirror.entries.len();
        let beyond = usize::from(self.random.one_in(40));
        if len + beyond == 0 {
            return None;
        }
        let mut number = || u32::try_from(self.random.below(len + beyond) + 1).unwrap();
        let ranges = vec![(number(), number()), (number(), number())];
        Some((written(&ranges), ranges))
    }

    /// A set of UIDs, if this client knows them all: of a range it then knows what is in it.
    fn uids(&mut self, at: usize) -> Option<(String, Vec<(u32, u32)>)> {
        let known: Vec<u32> = self.clients[at]
            .mirror
            .entries
            .iter()
            .filter_map(|e| e.uid)
            .collect();
        if known.is_empty() || known.len() < self.clients[at].mirror.entries.len() {
            return None;
        }
        let ranges = vec![(*self.random.pick(&known), *self.random.pick(&known))];
        Some((written(&ranges), ranges))
    }

    fn by_number(&mut self, at: usize, fetches: bool, line: impl Fn(&str) -> String) {
        if let Some((set, numbers)) = self.numbers(at) {
            let sent = Sent {
                by_number: true,
                numbers,
                fetches,
                ..Sent::default()
            };
            self.send(at, &line(&set), sent);
        }
    }

    fn fetch(&mut self, at: usize) {
        let items = *self.random.pick(&[
            "UID",
            "(UID FLAGS)",
            "(UID BODY[TEXT])",
            "(UID RFC822.SIZE BODY.PEEK[])",
        ]);
        self.by_number(at, true, |set| format!("FETCH {set} {items}"));
    }

    fn fetch_flags(&mut self, at: usize) {
        let condstore = self.clients[at].enable.contains("C");
        let items = if condstore {
            "(FLAGS MODSEQ)"
        } else {
            "(FLAGS)"
        };
        self.plain(at, &format!("UID FETCH 1:* {items}"));
    }

    fn store(&mut self, at: usize) {
        let (sign, change) = *self.random.pick(&[
            ("+", Change::Add),
            ("-", Change::Remove),
            ("", Change::Replace),
        ]);
        let flag = *self.random.pick(&FLAGS);
        let silent = self.random.one_in(2);
        let since = match self.clients[at].enable.contains("C") && self.random.one_in(3) {
            true => format!(" (UNCHANGEDSINCE {})", self.clients[at].mirror.highest),
            false => String::new(),
        };
        let dot = if silent { ".SILENT" } else { "" };
        let uid = self.random.one_in(2);
        let set = if uid { self.uids(at) } else { self.numbers(at) };
        let Some((set, ranges)) = set else { return };
        let prefix = if uid { "UID " } else { "" };
        let line = format!("{prefix}STORE {set}{since} {sign}FLAGS{dot} ({flag})");
        let sent = Sent {
            by_number: !uid,
            numbers: if uid { Vec::new() } else { ranges.clone() },
            uids: if uid { ranges } else { Vec::new() },
            silent: silent.then(|| (change, flag.to_owned())),
            ..Sent::default()
        };
        self.send(at, &line, sent);
    }

    fn search(&mut self, at: usize) {
        if self.random.one_in(2) {
            return self.plain(at, "UID SEARCH DELETED");
        }
        let verb = *self.random.pick(&["SEARCH", "UID SEARCH"]);
        self.by_number(at, false, |set| format!("{verb} {set} UNSEEN"));
    }

    fn expunge(&mut self, at: usize) {
        match self.uids(at) {
            Some((set, _)) if self.random.one_in(2) => {
                self.plain(at, &format!("UID EXPUNGE {set}"))
            }
            _ => self.plain(at, "EXPUNGE"),
        }
    }

    fn copy(&mut self, at: usize) {
        let many = self.clients[at].mirror.entries.len() > 40;
        let verb = if many || self.random.one_in(2) {
            "MOVE"
        } else {
            "COPY"
        };
        let to = *self.random.pick(&BOXES);
        let uid = self.random.one_in(2);
        let set = if uid { self.uids(at) } else { self.numbers(at) };
        let Some((set, ranges)) = set else { return };
        let prefix = if uid { "UID " } else { "" };
        let sent = Sent {
            numbers: if uid { Vec::new() } else { ranges },
            ..Sent::default()
        };
        self.send(at, &format!("{prefix}{verb} {set} {to}"), sent);
    }
}

fn written(ranges: &[(u32, u32)]) -> String {
    let parts: Vec<String> = ranges.iter().map(|(a, b)| format!("{a}:{b}")).collect();
    parts.join(",")
}

fn run(seed: u64, bursts: u32) {
    let mut world = World::new(seed);
    for n in 1..=bursts {
        world.burst();
        if n % 40 == 0 {
            world.compare();
        }
    }
    world.compare();
}

#[test]
fn what_clients_believe_is_what_there_is() {
    let seeds = match std::env::var("PILLARBOX_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("PILLARBOX_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..25,
    };
    for seed in seeds {
        run(seed, 200);
    }
}
