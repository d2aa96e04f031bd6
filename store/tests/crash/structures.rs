//! A store whose structures an earlier version computed: what it tells of them is what one that is new tells, whether the disk takes writes or not.

use std::path::Path;
use std::time::{Duration, Instant};

use pillarbox_core::effect::{Fetch, Fields, Row};
use pillarbox_core::id::Uid;
use pillarbox_core::message::{Part, Structure};
use pillarbox_core::set::UidSet;
use pillarbox_store::conformance::Client;
use pillarbox_store::{Embedded, Memory, Options};

use crate::work::Child;

/// Each message, a part of it, and that part's octets.
const MAILS: [(&str, &[u32], &str); 5] = [
    ("Subject: plain\r\n\r\nplain\r\n", &[1], "plain\r\n"),
    (
        "Subject: flat\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n",
        &[2],
        "two",
    ),
    (
        "Subject: signed\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nin\r\n--c--\r\n--b\r\n\r\nsig\r\n--b--\r\n",
        &[1],
        "--c\r\n\r\nin\r\n--c--",
    ),
    (
        "Subject: forwarded\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nin\r\n--c--\r\n--b--\r\n",
        &[1],
        "Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nin\r\n--c--",
    ),
    (
        "Subject: hollow\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: MULTIPART/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n",
        &[1],
        "--c--",
    ),
];
/// Those with a multipart in another.
const OLD: [u32; 3] = [3, 4, 5];

/// Each on a disk that is well, on one that takes no writes and on one that is full.
pub fn check(child: &Child) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/structure-1");
    if std::env::var_os("PILLARBOX_WRITE_GOLDEN").is_some() {
        write(&golden);
    }
    for fault in ["off", "w / 0 1000000 30", "w / 0 1000000 28"] {
        copy(&golden, &child.store());
        let before = child.hits();
        let store = Embedded::open(child.store(), options()).unwrap();
        assert_eq!(versions(child), [1; 5]);
        child.order(fault);
        for _ in 0..3 {
            compare(&store, fault);
        }
        if fault != "off" {
            wait(|| child.hits() > before);
            compare(&store, fault);
            assert_eq!(versions(child), [1; 5], "{fault}");
        }
        child.order("off");
        wait(|| versions(child) == [1, 1, 2, 2, 2]);
        drop(store);
        only_the_index(child);
        std::fs::remove_dir_all(child.store()).unwrap();
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.reserve = 0;
    options.upkeep = Duration::from_millis(1);
    options
}

/// By a version that wrote structures of version 1.
fn write(golden: &Path) {
    let store = Embedded::open(golden, options()).unwrap();
    for (mail, ..) in MAILS {
        let mail = mail.as_bytes();
        Client::new(&store, 1).append("INBOX", mail).unwrap();
    }
}

fn copy(golden: &Path, store: &Path) {
    std::fs::create_dir_all(store.join("packs")).unwrap();
    for name in ["index.sqlite", "packs/0000000000000000.pack"] {
        std::fs::copy(golden.join(name), store.join(name)).unwrap();
    }
}

/// What the store says is what one says that has them anew.
fn compare(store: &Embedded, when: &str) {
    let new = Memory::new();
    for (mail, ..) in MAILS {
        let client = Client::new(&new, 1);
        client.append("INBOX", mail.as_bytes()).unwrap();
    }
    let forms = |row: &Row| {
        let forms = [
            &row.envelope,
            &row.body,
            &row.body_structure,
            &row.structure,
        ];
        (
            row.size,
            forms.map(|f| String::from_utf8_lossy(f).into_owned()),
        )
    };
    for number in 1..=5 {
        let (mail, path, octets) = MAILS[number as usize - 1];
        let (row, want) = (row(store, number), row(&new, number));
        let is_old = OLD.contains(&number);
        let (mut have, mut want) = (forms(&row), forms(&want));
        if !is_old {
            // Its version and checksum differ, and nothing else.
            assert_eq!(row.structure[0], 1, "{mail}");
            (have.1[3], want.1[3]) = Default::default();
        }
        assert_eq!(have, want, "{when}: {mail}");
        let structure = Structure::decode(&row.structure).unwrap();
        let span = structure.locate(path, Part::Whole).unwrap();
        let part = &mail[span.start as usize..span.end as usize];
        assert_eq!(part, octets, "{when}: {mail}");
    }
}

fn row(store: &dyn pillarbox_store::Backend, number: u32) -> Row {
    let client = Client::new(store, 1);
    let uid = Uid::new(number).unwrap();
    let fields = [
        Fields::META,
        Fields::ENVELOPE,
        Fields::BODY,
        Fields::BODY_STRUCTURE,
        Fields::STRUCTURE,
    ];
    let page = client.ask(Fetch {
        actor: client.actor(),
        mailbox: client.examine("INBOX").unwrap().mailbox,
        uids: UidSet::range(uid, uid),
        changed_since: None,
        fields: fields.into_iter().fold(Fields::default(), Fields::with),
        inline: 0,
        budget: 1 << 20,
    });
    let row = page.unwrap().rows.remove(0);
    assert!(row.damaged.is_none(), "{row:?}");
    row
}

/// Of the structures in the index.
fn versions(child: &Child) -> Vec<u8> {
    let conn = rusqlite::Connection::open(child.store().join("index.sqlite")).unwrap();
    let sql = "SELECT structure FROM hot JOIN cold USING (email) ORDER BY uid";
    let mut all = conn.prepare(sql).unwrap();
    let all = all.query_map([], |r| r.get::<_, Vec<u8>>(0).map(|s| s[0]));
    all.unwrap().map(Result::unwrap).collect()
}

/// Once is enough: no message is read for it any more. And one that cannot be read has what it had.
fn only_the_index(child: &Child) {
    let pack = child.store().join("packs/0000000000000000.pack");
    let octets = std::fs::read(&pack).unwrap();
    let mut bad = octets.clone();
    for (mail, ..) in MAILS {
        let mail = mail.as_bytes();
        let at = bad.windows(mail.len()).position(|w| w == mail).unwrap();
        bad[at + 9] ^= 1;
    }
    std::fs::write(&pack, bad).unwrap();
    compare(
        &Embedded::open(child.store(), options()).unwrap(),
        "damaged",
    );
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/structure-1");
    std::fs::copy(
        golden.join("index.sqlite"),
        child.store().join("index.sqlite"),
    )
    .unwrap();
    let store = Embedded::open(child.store(), options()).unwrap();
    assert!((1..=5).all(|n| row(&store, n).structure[0] == 1));
}

fn wait(until: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !until() {
        assert!(Instant::now() < end, "nothing happened for a minute");
        std::thread::yield_now();
    }
}
