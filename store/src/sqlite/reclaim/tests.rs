//! What is of effect is counted to the octet, and segments go one by one, whatever is in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pillarbox_core::effect::FlagOp;
use pillarbox_core::flag::SystemFlags;

use super::*;
use crate::conformance::{Client, MailboxState, Model, flag_names};
use crate::pack::{Entry, Home, Opener, Output, open_files, stored_len};
use crate::sqlite::tidy;
use crate::sqlite::{Embedded, Folder, Options};
use crate::table::Tables;
use crate::{rebuild, verify};
use pillarbox_core::id::{AccountId, ModSeq};
use pillarbox_core::set::UidSet;

struct Temp(PathBuf);

impl Temp {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pillarbox-pass-{}-{n}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn copy_of(from: &Path) -> Self {
        let temp = Self::new();
        std::fs::create_dir_all(temp.0.join("packs")).unwrap();
        for name in ["index.sqlite", "packs/0000000000000000.pack"] {
            std::fs::copy(from.join(name), temp.0.join(name)).unwrap();
        }
        temp
    }

    fn open(&self) -> Embedded {
        self.open_with(16 << 10)
    }

    fn open_with(&self, segment: u64) -> Embedded {
        let options = Options {
            reserve: 0,
            segment,
            // None begins a segment: what is moved stands among others.
            large: u64::MAX,
            ..Options::default()
        };
        Embedded::open(&self.0, options).unwrap()
    }

    /// For the one who writes alone.
    fn ledger(&self) -> (Folder, Ledger) {
        self.ledger_on(open_files())
    }

    fn ledger_on(&self, opener: Opener) -> (Folder, Ledger) {
        let folder = Folder::new(&self.0, false).unwrap();
        let ledger = folder.ledger(&self.0, opener, 16 << 10);
        let ledger = ledger.unwrap_or_else(|e| panic!("{}", e.0));
        (folder, ledger)
    }

    fn state(&self) -> Vec<MailboxState> {
        Client::new(&self.open(), 1).state().unwrap()
    }

    fn rebuild(&self) {
        std::fs::remove_file(self.0.join("index.sqlite")).unwrap();
        rebuild(&self.0).unwrap();
    }

    fn verify(&self) {
        verify(&self.0, |p| panic!("{p}")).unwrap();
    }
}

/// Counts the octets that are written, and what of them the next sync has to wait for.
#[derive(Default)]
struct Counts {
    written: AtomicU64,
    synced: AtomicU64,
}

struct Counted {
    file: Box<dyn Output>,
    loose: AtomicU64,
    counts: Arc<Counts>,
}

impl Counts {
    fn opener(self: &Arc<Self>) -> Opener {
        let (files, counts) = (open_files(), self.clone());
        Arc::new(move |path: &Path, new| {
            Ok(Box::new(Counted {
                file: files(path, new)?,
                loose: AtomicU64::new(0),
                counts: counts.clone(),
            }))
        })
    }

    fn take(&self) -> (u64, u64) {
        let take = |n: &AtomicU64| n.swap(0, Ordering::Relaxed);
        (take(&self.written), take(&self.synced))
    }
}

impl Output for Counted {
    fn write(&self, octets: &[u8], at: u64) -> io::Result<()> {
        let len = octets.len() as u64;
        self.counts.written.fetch_add(len, Ordering::Relaxed);
        self.loose.fetch_add(len, Ordering::Relaxed);
        self.file.write(octets, at)
    }

    fn sync(&self) -> io::Result<()> {
        let loose = self.loose.swap(0, Ordering::Relaxed);
        self.counts.synced.fetch_add(loose, Ordering::Relaxed);
        self.file.sync()
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.file.cut(len)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Takes a segment through to its end, however much of it is of effect.
pub(in crate::sqlite) fn remove(ledger: &mut Ledger, segment: u64) -> Step {
    if ledger.pack.segment() == segment {
        ledger.pack.next_segment().unwrap();
        let owner = AccountId(1);
        ledger
            .change(|t| t.account(owner).and_then(|a| t.log(&a, None)))
            .unwrap();
    }
    let mut pass = Pass::new(ledger, segment, LARGE).unwrap();
    loop {
        match pass.step(ledger).unwrap() {
            Step::More => {}
            Step::Weighed => pass.carry(&ledger.files).unwrap(),
            end => return end,
        }
    }
}

fn weigh(ledger: &mut Ledger, segment: u64) -> u64 {
    let mut pass = Pass::new(ledger, segment, LARGE).unwrap();
    while pass.step(ledger).unwrap() != Step::Weighed {}
    pass.kept
}

fn expunge(client: Client<'_>, name: &str, from: u32, to: u32) {
    let mailbox = client.examine(name).unwrap().mailbox;
    let uids = UidSet::from_ranges([(from, to)]);
    let deleted = flag_names(SystemFlags::DELETED, &[]);
    let set = client.set(mailbox, uids.clone(), FlagOp::Add, deleted, None);
    set.unwrap();
    client.expunge(mailbox, uids).unwrap();
}

#[test]
fn what_is_of_effect_is_counted_to_the_octet() {
    let temp = Temp::new();
    let store = temp.open();
    let client = Client::new(&store, 1);
    for n in 0..4 {
        client.append("INBOX", &[b'a' + n; 1000]).unwrap();
    }
    let copied = UidSet::from_ranges([(2, 2)]);
    let inbox = client.examine("INBOX").unwrap();
    client.copy(inbox.mailbox, copied, "INBOX").unwrap();
    expunge(client, "INBOX", 1, 2);
    drop(store);
    let (_folder, mut ledger) = temp.ledger();
    // The account, the mailbox, three messages, one of them a copy; and four bodies, while the first has its grave.
    let size = |entry: Entry, size| stored_len(&entry, size);
    let tables = |l: &Ledger| {
        l.look(|t| {
            let m = t.mailbox(inbox.mailbox.id).unwrap().unwrap();
            let rows: Vec<_> = [3, 4, 5]
                .map(|uid| t.messages(m.id, uid, uid, 1).unwrap().remove(0))
                .into();
            let rows = rows.iter().map(|r| size(Entry::copy(&m, r), 0));
            let rows: u64 = rows.sum();
            rows + size(Entry::mailbox(&m), 0) + size(t.account(AccountId(1)).unwrap(), 0)
        })
    };
    let gone = Entry::Gone(
        ledger.look(|t| Home::of(&t.mailbox(inbox.mailbox.id).unwrap().unwrap())),
        ModSeq(8),
        UidSet::from_ranges([(1, 2)]),
    );
    let body = Entry::Body(
        AccountId(1),
        pillarbox_core::id::EmailId(1),
        pillarbox_core::id::ThreadId(1),
    );
    let rest = tables(&ledger) + size(gone, 0);
    assert_eq!(weigh(&mut ledger, 0), rest + 4 * size(body.clone(), 1000));
    tidy::graves(&mut ledger, 0).unwrap();
    assert_eq!(weigh(&mut ledger, 0), rest + 3 * size(body, 1000));
}

/// Each segment in turn, in any order, and after each the packs alone say what the index says.
#[test]
fn any_segment_can_go_at_any_time() {
    // With segments of one octet each transaction has one of its own.
    let seeds = [(1, 16 << 10), (2, 16 << 10), (3, 1), (4, 1), (5, 1)];
    std::thread::scope(|scope| {
        for (seed, size) in seeds {
            scope.spawn(move || segments_go(seed, size));
        }
    });
}

fn segments_go(seed: u64, size: u64) {
    let temp = Temp::new();
    let mut model = Model::new(seed);
    for round in 0..6 {
        let store = temp.open_with(size);
        for _ in 0..40 {
            model.step(Client::new(&store, 1));
        }
        drop(store);
        let before = temp.state();
        let (folder, mut ledger) = temp.ledger();
        if round % 2 == 0 {
            tidy::graves(&mut ledger, 0).unwrap();
        }
        let all = ledger.files.segments().unwrap();
        let some = all
            .iter()
            .filter(|n| (**n * 7 + seed + round).is_multiple_of(3));
        for segment in some {
            assert!(matches!(remove(&mut ledger, *segment), Step::Removed(_)));
        }
        drop((ledger, folder));
        let when = format!("seed {seed} round {round}");
        temp.verify();
        assert!(temp.state() == before, "{when}");
        temp.rebuild();
        temp.verify();
        let after = temp.state();
        assert_eq!(model.disagreement(&after), None, "{when}");
        assert!(after == before, "{when}");
    }
}

/// The word that took a name away may stand behind the word that gave it to another.
#[test]
fn names_are_right_whatever_goes() {
    for gone in 0..16_u64 {
        let temp = Temp::new();
        let store = temp.open_with(1);
        let client = Client::new(&store, 1);
        client.create("a").unwrap();
        client.append("a", b"one").unwrap();
        client.rename("a", "b").unwrap();
        client.create("a").unwrap();
        client.append("a", b"two").unwrap();
        client.rename("b", "c").unwrap();
        client.delete("a").unwrap();
        client.create("a").unwrap();
        let before = client.state().unwrap();
        drop(store);
        let (folder, mut ledger) = temp.ledger();
        let all = ledger.files.segments().unwrap();
        // Each one alone, each one and those after the next, and so on.
        let some = all
            .iter()
            .filter(|n| **n == gone || (**n > gone && (**n - gone) % 2 == 0));
        for segment in some {
            assert!(matches!(remove(&mut ledger, *segment), Step::Removed(_)));
        }
        drop((ledger, folder));
        temp.rebuild();
        assert!(temp.state() == before, "{gone}");
    }
}

/// Neither a validity nor a number is given twice, though nothing is left of whom it was given to.
#[test]
fn what_was_given_is_not_given_again() {
    let temp = Temp::new();
    let store = temp.open_with(1);
    let client = Client::new(&store, 1);
    let names = ["a", "b", "c", "d", "e", "f"];
    let ids = names.map(|name| client.create(name).unwrap());
    let last = client.status("f").unwrap().uid_validity;
    for name in names {
        client.delete(name).unwrap();
    }
    drop(store);
    let (folder, mut ledger) = temp.ledger();
    for segment in ledger.files.segments().unwrap() {
        assert!(matches!(remove(&mut ledger, segment), Step::Removed(_)));
    }
    drop((ledger, folder));
    temp.rebuild();
    let store = temp.open();
    let client = Client::new(&store, 1);
    assert!(client.create("new").unwrap() > ids[5]);
    assert!(client.status("new").unwrap().uid_validity > last);
}

#[test]
fn golden_stores_can_be_carried_whole() {
    for format in ["format-1", "format-2"] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let temp = Temp::copy_of(&golden.join(format));
        let before = temp.state();
        let (folder, mut ledger) = temp.ledger();
        assert!(matches!(remove(&mut ledger, 0), Step::Removed(_)));
        drop((ledger, folder));
        temp.verify();
        assert!(temp.state() == before, "{format}");
        temp.rebuild();
        assert!(temp.state() == before, "{format}");
    }
}

/// Even when the index thinks that all in it is dead.
#[test]
fn a_segment_with_damage_is_left_alone() {
    let temp = Temp::new();
    let store = temp.open();
    let client = Client::new(&store, 1);
    for n in 0..3 {
        client.append("INBOX", &[b'a' + n; 1000]).unwrap();
    }
    expunge(client, "INBOX", 1, 3);
    drop(store);
    let path = temp.0.join("packs/0000000000000000.pack");
    let good = std::fs::read(&path).unwrap();
    let last = good.windows(4).rposition(|w| w == b"PBXR").unwrap();
    for at in [0, 30, good.len() / 2, last, last + 30] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let (_folder, mut ledger) = temp.ledger();
        ledger.pack.next_segment().unwrap();
        tidy::graves(&mut ledger, 0).unwrap();
        std::fs::write(&path, &bad).unwrap();
        let mut pass = Pass::new(&mut ledger, 0, LARGE).unwrap();
        let in_a_body = at == good.len() / 2;
        let step = pass.step(&mut ledger).unwrap();
        // What nobody needs any more may be damaged.
        assert_eq!(step == Step::Left, !in_a_body, "octet {at}: {step:?}");
        std::fs::write(&path, &good).unwrap();
    }
}

/// The sync of its first transaction failed, it could not be cut, and a crash left of it what it liked.
#[test]
fn a_segment_of_which_nothing_was_acknowledged_is_not_damaged() {
    let temp = Temp::new();
    let store = temp.open();
    Client::new(&store, 1).append("INBOX", b"kept").unwrap();
    drop(store);
    let (folder, mut ledger) = temp.ledger();
    ledger.pack.next_segment().unwrap();
    ledger.pack.next_segment().unwrap();
    let owner = AccountId(1);
    let cut = ledger.change(|t| {
        t.log(&Entry::Cut(1, Scan::FIRST), None)?;
        t.account(owner).and_then(|a| t.log(&a, None))
    });
    cut.unwrap();
    std::fs::write(temp.0.join("packs/0000000000000001.pack"), [0; 100]).unwrap();
    drop((ledger, folder));
    temp.verify();
    let (folder, mut ledger) = temp.ledger();
    assert!(matches!(remove(&mut ledger, 1), Step::Removed(_)));
    drop((ledger, folder));
    let before = temp.state();
    temp.rebuild();
    assert!(temp.state() == before);
}

#[test]
fn a_damaged_body_is_not_carried_and_stays() {
    let temp = Temp::new();
    let store = temp.open();
    Client::new(&store, 1).append("INBOX", b"damaged").unwrap();
    Client::new(&store, 2).append("INBOX", b"next").unwrap();
    drop(store);
    let path = temp.0.join("packs/0000000000000000.pack");
    let mut octets = std::fs::read(&path).unwrap();
    let at = octets.windows(7).position(|w| w == b"damaged").unwrap();
    octets[at] ^= 1;
    let (folder, mut ledger) = temp.ledger();
    ledger.pack.next_segment().unwrap();
    std::fs::write(&path, &octets).unwrap();
    let mut pass = Pass::new(&mut ledger, 0, LARGE).unwrap();
    assert_eq!(pass.step(&mut ledger).unwrap(), Step::Weighed);
    pass.carry(&ledger.files).unwrap();
    let refused = pass.step(&mut ledger).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Corruption);
    drop((ledger, folder));
    assert!(path.exists());
    // An index that was made of it does not know the body, and does not think that nobody needs it.
    assert_eq!(rebuild(&temp.0).unwrap().damaged, 1);
    let (_folder, mut ledger) = temp.ledger();
    let mut pass = Pass::new(&mut ledger, 0, LARGE).unwrap();
    let refused = pass.step(&mut ledger).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Corruption);
}

/// A message that the index has lost without a word is not taken for expunged.
#[test]
fn an_index_that_lost_something_gives_nothing_back() {
    let temp = Temp::new();
    let store = temp.open();
    Client::new(&store, 1).append("INBOX", b"kept").unwrap();
    drop(store);
    let (_folder, mut ledger) = temp.ledger();
    ledger.conn.execute_batch("DELETE FROM hot").unwrap();
    ledger.pack.next_segment().unwrap();
    let mut pass = Pass::new(&mut ledger, 0, LARGE).unwrap();
    let refused = pass.step(&mut ledger).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Corruption);
}

/// Whoever began to read by an index of before finishes first.
#[test]
fn a_segment_stays_while_somebody_reads_by_an_older_index() {
    let temp = Temp::new();
    let store = temp.open();
    Client::new(&store, 1).append("INBOX", b"kept").unwrap();
    drop(store);
    let (_folder, mut ledger) = temp.ledger();
    let files = ledger.files.clone();
    let path = files.path(0);
    let (begun, go) = (
        Arc::new(std::sync::Barrier::new(2)),
        std::sync::mpsc::channel(),
    );
    let reader = {
        let (files, begun, path) = (files.clone(), begun.clone(), path.clone());
        std::thread::spawn(move || {
            let _reading = files.reading();
            begun.wait();
            go.1.recv().unwrap();
            path.exists()
        })
    };
    begun.wait();
    let remover = std::thread::spawn(move || remove(&mut ledger, 0));
    // Long enough for it to go if it does not wait.
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end && path.exists() {
        std::thread::yield_now();
    }
    go.0.send(()).unwrap();
    assert!(reader.join().unwrap());
    assert!(matches!(remover.join().unwrap(), Step::Removed(_)));
    assert!(!path.exists());
}

/// Moves all of a segment with a large body and some others, and does something between the steps. Gives the most octets that a step wrote, and
/// synced.
fn move_large(between: impl Fn(&Temp, &mut Ledger, usize)) -> (Temp, Result<Step>, (u64, u64)) {
    let temp = Temp::new();
    let store = temp.open_with(64 << 20);
    let client = Client::new(&store, 1);
    client.append("INBOX", b"first").unwrap();
    for octets in [
        vec![b'x'; LARGE_BODY],
        vec![b'y'; 900_000],
        vec![b'z'; 900_000],
    ] {
        client.append("INBOX", &octets).unwrap();
    }
    Client::new(&store, 2).append("INBOX", b"other").unwrap();
    drop(store);
    let counts = Arc::new(Counts::default());
    let (folder, mut ledger) = temp.ledger_on(counts.opener());
    ledger.pack.next_segment().unwrap();
    let owner = AccountId(1);
    let mark = ledger.change(|t| t.account(owner).and_then(|a| t.log(&a, None)));
    mark.unwrap();
    let mut pass = Pass::new(&mut ledger, 0, LARGE).unwrap();
    let (mut most, mut steps) = ((0, 0), 0);
    let end = loop {
        counts.take();
        let step = pass.step(&mut ledger);
        let (written, synced) = counts.take();
        most = (most.0.max(written), most.1.max(synced));
        match step {
            Ok(Step::More) => between(&temp, &mut ledger, steps),
            Ok(Step::Weighed) => pass.carry(&ledger.files).unwrap(),
            end => break end,
        }
        steps += 1;
    };
    drop((pass, ledger, folder));
    (temp, end, most)
}

fn unfinished(temp: &Temp) -> usize {
    let names = std::fs::read_dir(temp.0.join("packs")).unwrap();
    let names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|n| n.ends_with(".new")).count()
}

#[test]
fn nobody_waits_while_a_large_body_is_moved() {
    let seen = std::cell::Cell::new(0);
    let (temp, end, most) = move_large(|temp, ledger, _| {
        seen.set(seen.get() + unfinished(temp));
        // Another's change.
        let other = AccountId(2);
        let change = ledger.change(|t| t.account(other).and_then(|a| t.log(&a, None)));
        change.unwrap();
    });
    assert!(matches!(end, Ok(Step::Removed(_))), "{end:?}");
    assert!(seen.get() >= LARGE_BODY >> 20, "{}", seen.get());
    let (written, synced) = most;
    assert!(
        written < 5 << 18,
        "{written} octets were written in one step"
    );
    assert!(synced < 6 << 20, "one step waited for {synced} octets");
    temp.verify();
    let before = temp.state();
    assert_eq!(before[0].messages[1].octets, vec![b'x'; LARGE_BODY]);
    assert!(!temp.0.join("packs/0000000000000000.pack").exists());
    temp.rebuild();
    temp.verify();
    assert!(temp.state() == before);
}

/// It goes while it is moved: nothing of it stays.
#[test]
fn a_large_body_that_goes_while_it_is_moved_is_left_behind() {
    let (temp, end, _) = move_large(|temp, ledger, _| {
        if unfinished(temp) > 0 {
            let gone = "DELETE FROM cold WHERE size > 1000000; DELETE FROM hot WHERE size > 1000000;
                        UPDATE mailbox SET messages = messages - 1, size = size - 12000000, unseen = unseen - 1 WHERE messages = 4";
            ledger.conn.execute_batch(gone).unwrap();
        }
    });
    assert!(matches!(end, Ok(Step::Removed(_))), "{end:?}");
    assert_eq!(unfinished(&temp), 0);
    assert_eq!(temp.state()[0].messages.len(), 3);
    let packs = std::fs::read_dir(temp.0.join("packs")).unwrap();
    let octets: u64 = packs.map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!(octets < 4 << 20, "{octets}");
}

#[test]
fn a_large_body_that_is_damaged_is_not_moved_and_stays() {
    let damaged = std::cell::Cell::new(false);
    let (temp, end, _) = move_large(|temp, _, _| {
        if unfinished(temp) > 0 && !damaged.replace(true) {
            let path = temp.0.join("packs/0000000000000000.pack");
            let file = std::fs::File::options().write(true).open(path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, b"!", LARGE_BODY as u64 - 5).unwrap();
        }
    });
    assert_eq!(end.unwrap_err().kind, ErrorKind::Corruption);
    assert_eq!(unfinished(&temp), 0);
    assert!(temp.0.join("packs/0000000000000000.pack").exists());
}

/// Reads that this thread has done.
#[cfg(target_os = "linux")]
fn reads() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = io.lines().find_map(|l| l.strip_prefix("syscr: "));
    line.unwrap().parse().unwrap()
}

/// However many segments there are, those that a pass does not touch are read once, and none when the store is opened.
#[cfg(target_os = "linux")]
#[test]
fn a_pass_reads_what_it_touches() {
    let counts = [20, 200].map(|segments| {
        let temp = Temp::new();
        let store = temp.open_with(1);
        let client = Client::new(&store, 1);
        for n in 0..segments {
            client.append("INBOX", &[b'a' + n % 26; 100]).unwrap();
        }
        drop(store);
        let before = reads();
        let (_folder, mut ledger) = temp.ledger();
        let opening = reads() - before;
        assert!(ledger.files.segments().unwrap().len() >= usize::from(segments));
        assert!(matches!(remove(&mut ledger, 3), Step::Removed(_)));
        let passes = [5, 4, 9].map(|segment| {
            let before = reads();
            assert!(matches!(remove(&mut ledger, segment), Step::Removed(_)));
            reads() - before
        });
        (opening, passes)
    });
    let [few, many] = counts;
    println!("{few:?} {many:?}");
    assert!(many.0 < few.0 + 20, "opening: {counts:?}");
    let most = |passes: [u64; 3]| passes.into_iter().max().unwrap();
    assert!(most(many.1) < most(few.1) + 20, "passes: {counts:?}");
}

/// Octets from which on a body is large, and of one that is.
const LARGE: u64 = 8 << 20;
const LARGE_BODY: usize = 12_000_000;
