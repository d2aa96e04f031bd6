//! Whatever stands in a pack, whole records, damaged ones or anything else: the store opens and serves nothing that no record holds, or it
//! refuses with an error. The records are written here once more, from docs/storage-format.md.
#![no_main]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pillarbox_core::effect::{Actor, Mailboxes, Open, ReadBody, Status};
use pillarbox_core::id::AccountId;
use pillarbox_store::{Embedded, Options, ask, rebuild, verify};

/// In memory where that is to be had: every run syncs.
static SHARED: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() {
        shared.to_owned()
    } else {
        std::env::temp_dir()
    }
});

fuzz_target!(|input: &[u8]| {
    let mut input = Input(input);
    let mut pack = Pack::default();
    let (cut, flip, bit) = (input.number(), input.number(), input.number());
    while !input.0.is_empty() && pack.octets.len() < 1 << 16 {
        pack.add(&mut input);
    }
    pack.damage(cut, flip, bit);
    let folder = SHARED.join(format!("pillarbox-fuzz-{}", std::process::id()));
    // What an earlier run left behind.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("packs")).expect("there is room for a folder");
    let segments = pack.octets.chunks(
        pack.octets
            .len()
            .div_ceil(1 + usize::from(bit % 8 == 0))
            .max(1),
    );
    for (number, segment) in segments.enumerate() {
        let name = format!("packs/{number:016x}.pack");
        std::fs::write(folder.join(name), segment).expect("there is room for a segment");
    }
    recover(&folder, pack.octets.is_empty(), &pack.bodies);
    std::fs::remove_dir_all(&folder).expect("the folder is this target's own");
});

fn recover(folder: &Path, is_new: bool, bodies: &BTreeSet<Vec<u8>>) {
    // Beside packs nothing is begun anew.
    assert_eq!(open(folder).is_some(), is_new);
    match rebuild(folder) {
        Err(e) => assert!(!e.to_string().is_empty()),
        Ok(_) => {
            let Some(store) = open(folder) else { return };
            let first = everything(&store, bodies);
            drop(store);
            let mut problems = 0;
            let verified = verify(folder, |problem| {
                assert!(!problem.to_string().is_empty());
                problems += 1;
            });
            assert_eq!(verified.expect("the store was opened").problems, problems);
            if problems == 0 {
                assert!(
                    first.iter().all(|m| m.2.is_some()),
                    "what is verified can be read"
                );
            }
            let again = open(folder).expect("the store was opened before");
            assert_eq!(everything(&again, bodies), first, "opening changes nothing");
        }
    }
}

fn open(folder: &Path) -> Option<Embedded> {
    let mut options = Options::default();
    (options.readers, options.reserve) = (1, 0);
    match Embedded::open(folder, options) {
        Ok(store) => Some(store),
        Err(e) => {
            assert!(!e.to_string().is_empty());
            None
        }
    }
}

/// Mailbox, UID and octets of each message, as far as they can be read.
fn everything(store: &Embedded, bodies: &BTreeSet<Vec<u8>>) -> Vec<(String, u32, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    for account in 1..=2 {
        let actor = Actor {
            account: AccountId(account),
        };
        for row in ask(store, Mailboxes { actor }).expect("mailboxes can be told") {
            if row.id.is_none() {
                continue;
            }
            let names = vec![row.name.clone()];
            let counted = ask(store, Status { actor, names }).expect("mailboxes are counted");
            let status = counted[0]
                .as_ref()
                .expect("a mailbox that is told is counted");
            let opened = Open {
                actor,
                name: row.name,
                read_only: true,
            };
            let opened = ask(store, opened).expect("a mailbox that is told can be opened");
            assert_eq!(status.messages, opened.uids.len(), "counters are right");
            for uid in opened.uids.iter() {
                assert!(uid.get() < opened.uid_next.get() || uid.get() == u32::MAX);
                let body = ReadBody {
                    actor,
                    mailbox: opened.mailbox,
                    uid,
                    offset: 0,
                    max: usize::MAX,
                };
                let body = ask(store, body).ok().map(|octets| octets.to_vec());
                assert!(
                    body.as_ref().is_none_or(|b| bodies.contains(b)),
                    "mail that nobody sent"
                );
                all.push((opened.name.as_str().to_owned(), uid.get(), body));
            }
        }
    }
    all
}

/// Octets that decide; zeros when there are no more.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn number(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn octets(&mut self) -> Vec<u8> {
        let size = usize::from(self.number()).min(self.0.len());
        let (octets, rest) = self.0.split_at(size);
        self.0 = rest;
        octets.to_vec()
    }

    /// Mostly small, seldom enormous.
    fn wide(&mut self) -> u64 {
        match self.number() {
            n @ 0..250 => u64::from(n % 16) + 1,
            250 => 0,
            n => u64::MAX >> (n % 5 * 8),
        }
    }
}

#[derive(Default)]
struct Pack {
    octets: Vec<u8>,
    /// Where the transaction began, its records, and the checksum of theirs.
    start: u64,
    count: u32,
    check: u32,
    bodies: BTreeSet<Vec<u8>>,
}

const SECRET: u64 = 0x5ec2_e75e_c2e7;

impl Pack {
    fn add(&mut self, input: &mut Input) {
        if self.octets.is_empty() && input.0.len() % 16 > 0 {
            let mut head = [&b"PBXS\x02\0\0\0"[..], &SECRET.to_le_bytes()].concat();
            head.extend(crc32c::crc32c(&head).to_le_bytes());
            self.octets = head;
            self.start = 20;
        }
        let kind = input.number();
        match kind % 12 {
            0 => self.octets.extend(input.octets()),
            1 | 2 => {
                let body = input.octets();
                let entry = [home(input), message(input, body.len())].concat();
                self.record(1, &entry, &body);
                self.bodies.insert(body);
            }
            3 => {
                let size = usize::from(input.number());
                let entry = [home(input), message(input, size)].concat();
                self.record(2, &entry, b"");
            }
            4 => {
                let counters = [u64::from(input.number()), input.wide()].map(u64::to_le_bytes);
                let entry = [home(input), counters.concat(), text(b"\\Sent")].concat();
                self.record(3, &entry, b"");
            }
            5 => {
                let entry = [
                    home(input),
                    input.wide().to_le_bytes().to_vec(),
                    uids(input),
                ]
                .concat();
                self.record(4, &entry, b"");
            }
            6 => self.record(5, &home(input), b""),
            7 => {
                let head = [home(input), input.wide().to_le_bytes().to_vec()].concat();
                let group = [
                    vec![input.number()],
                    1u64.to_le_bytes().to_vec(),
                    text(b"Work"),
                    uids(input),
                ];
                self.record(6, &[head, group.concat()].concat(), b"");
            }
            8 => {
                let entry = [input.wide().to_le_bytes().to_vec(), text(b"Box"), vec![1]].concat();
                self.record(7, &entry, b"");
            }
            9 => self.commit(0),
            10 => {
                let entry = input.octets();
                self.record(kind / 12 % 10, &entry, b"");
            }
            _ => match kind / 12 % 2 {
                0 => self.commit(input.number()),
                _ => {
                    let entry = [input.wide(), input.wide() * 20]
                        .map(u64::to_le_bytes)
                        .concat();
                    self.record(8, &entry, b"");
                }
            },
        }
    }

    fn commit(&mut self, wrong: u8) {
        let count = self.count.wrapping_add(wrong.into()).to_le_bytes();
        let entry = [
            &self.start.to_le_bytes()[..],
            &count,
            &self.check.to_le_bytes(),
        ]
        .concat();
        self.record(9, &entry, b"");
        (self.start, self.count, self.check) = (self.octets.len() as u64, 0, 0);
    }

    fn record(&mut self, kind: u8, entry: &[u8], body: &[u8]) {
        let mut head = [&b"PBXR\x02"[..], &[kind, 0, 0]].concat();
        head.extend((entry.len() as u32).to_le_bytes());
        head.extend((body.len() as u64).to_le_bytes());
        let seed = crc32c::crc32c(&SECRET.to_le_bytes());
        let check = crc32c::crc32c_append(crc32c::crc32c_append(seed, &head), entry);
        head.extend(check.to_le_bytes());
        self.octets.extend(head);
        self.octets.extend(entry);
        let mut whole = check;
        if !body.is_empty() {
            let block = crc32c::crc32c(body).to_le_bytes();
            self.octets.extend(body);
            self.octets.extend(block);
            whole = crc32c::crc32c_append(whole, &block);
        }
        self.octets.extend(b"RXBP");
        self.octets.extend(whole.to_le_bytes());
        self.count += 1;
        self.check = crc32c::crc32c_append(self.check, &whole.to_le_bytes());
    }

    /// What a disk does: the end is gone, an octet is another one.
    fn damage(&mut self, cut: u8, flip: u8, bit: u8) {
        if cut > 127 {
            self.octets
                .truncate(self.octets.len().saturating_sub(usize::from(cut - 127)));
        }
        let at = usize::from(flip) * self.octets.len() / 128;
        if let Some(octet) = self.octets.get_mut(at) {
            *octet ^= 1 << (bit % 8);
        }
    }
}

fn text(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], text].concat()
}

fn home(input: &mut Input) -> Vec<u8> {
    let which = input.number();
    let account = u64::from(which % 2) + 1;
    let mailbox = u64::from(which / 2 % 4) + 10 * account;
    let validity = if which < 250 { 7 } else { input.wide() };
    let name = [
        &b"INBOX"[..],
        b"Box",
        b"Box/Below",
        b"Recovered 11 1",
        b"",
        b"\xff",
    ][usize::from(which / 8 % 6)];
    [
        &account.to_le_bytes()[..],
        &mailbox.to_le_bytes(),
        &validity.to_le_bytes(),
        &text(name),
    ]
    .concat()
}

fn message(input: &mut Input, size: usize) -> Vec<u8> {
    let (uid, modseq) = (input.wide(), input.wide());
    let numbers = [uid, modseq, size as u64, 100 + input.wide(), 7, 0, 0].map(u64::to_le_bytes);
    [numbers.concat(), vec![0, 0, input.number()], text(b"Work")].concat()
}

fn uids(input: &mut Input) -> Vec<u8> {
    let (first, last) = (input.wide() as u32, input.wide() as u32);
    [
        &1u64.to_le_bytes()[..],
        &first.to_le_bytes(),
        &last.to_le_bytes(),
    ]
    .concat()
}
