//! A sequence set means what an ordered set of numbers says, in each command that takes one. The input: which of the messages are left, and
//! what stands for the set; its octets also make sets whose operations are compared.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use pillarbox_core::id::Uid;
use pillarbox_core::set::UidSet;
use pillarbox_sim::{Chunking, Host, Options};

const MESSAGES: u32 = 12;

fuzz_target!(|octets: &[u8]| {
    let Some((left, octets)) = octets.split_first_chunk() else {
        return;
    };
    let (a, b) = octets.split_at(octets.len() / 2);
    operations(a, b);
    let text: String = octets
        .iter()
        .map(|b| char::from(*b))
        .filter(|c| "0123456789:*,".contains(*c))
        .take(200)
        .collect();
    in_commands(u16::from_le_bytes(*left), &text);
});

fn in_commands(left: u16, set: &str) {
    let mut host = Host::new(&Options::default());
    let mut say = |line: &str| {
        host.send("A", format!("{line}\r\n").as_bytes(), Chunking::Whole);
        String::from_utf8(host.take_output("A")).expect("it is ASCII")
    };
    let uids: Vec<u32> = (1..=MESSAGES).filter(|uid| left >> uid & 1 == 1).collect();
    say(&format!(
        "a LOGIN tim pw\r\nb APPEND INBOX{}",
        " {1+}\r\nx".repeat(MESSAGES as usize)
    ));
    let gone: Vec<_> = (1..=MESSAGES)
        .filter(|u| !uids.contains(u))
        .map(|u| u.to_string())
        .collect();
    if !gone.is_empty() {
        say(&format!(
            "d SELECT INBOX\r\ne UID STORE {} FLAGS (\\Deleted)\r\nf CLOSE",
            gone.join(",")
        ));
    }
    assert!(say("g EXAMINE INBOX").contains(&format!("* {} EXISTS\r\n", uids.len())));
    let last = u32::try_from(uids.len()).expect("they are few");
    let by_number =
        read(set, last).filter(|ranges| ranges.iter().all(|&(a, b)| a > 0 && b <= last));
    let by_number = by_number.map(|ranges| {
        (1..)
            .zip(&uids)
            .filter(|(n, _)| ranges.iter().any(|(a, b)| a <= n && n <= b))
            .map(|(_, uid)| *uid)
            .collect::<BTreeSet<u32>>()
    });
    let by_uid = read(set, uids.last().copied().unwrap_or(0)).map(|ranges| {
        uids.iter()
            .copied()
            .filter(|uid| ranges.iter().any(|(a, b)| a <= uid && uid <= b))
            .collect::<BTreeSet<u32>>()
    });
    for (line, wanted) in [
        (format!("h FETCH {set} UID"), &by_number),
        (format!("h SEARCH {set}"), &by_number),
        (format!("h UID SEARCH {set}"), &by_number),
        (format!("h UID FETCH {set} UID"), &by_uid),
        (format!("h UID SEARCH UID {set}"), &by_uid),
    ] {
        let said = say(&line);
        assert_eq!(said.contains("h OK "), wanted.is_some(), "{line}: {said}");
        assert!(
            wanted.is_some() || said.starts_with("h BAD "),
            "{line}: {said}"
        );
        let Some(wanted) = wanted else { continue };
        let told: BTreeSet<u32> = match line.starts_with("h SEARCH") {
            true => numbers(&said).map(|n| uids[n as usize - 1]).collect(),
            false if line.contains("SEARCH") => numbers(&said).collect(),
            false => said
                .split("(UID ")
                .skip(1)
                .filter_map(|rest| rest.split(')').next()?.parse().ok())
                .collect(),
        };
        assert_eq!(&told, wanted, "{line}: {said}");
    }
}

fn numbers(said: &str) -> impl Iterator<Item = u32> {
    let line = said.lines().find_map(|l| l.strip_prefix("* SEARCH"));
    line.unwrap_or("").split(' ').filter_map(|n| n.parse().ok())
}

/// RFC 9051 §9 `sequence-set`: ranges, the lower end first; `*` is `last`. Zeros before a number are forgiven.
fn read(set: &str, last: u32) -> Option<Vec<(u32, u32)>> {
    let number = |text: &str| match text {
        "*" => Some(last),
        text => text.parse().ok().filter(|n| *n > 0),
    };
    set.split(',')
        .map(|range| {
            let (a, b) = range.split_once(':').unwrap_or((range, range));
            let (a, b) = (number(a)?, number(b)?);
            Some((a.min(b), a.max(b)))
        })
        .collect()
}

fn operations(a: &[u8], b: &[u8]) {
    let (sa, ma) = both(a);
    let (sb, mb) = both(b);
    assert_eq!(list(&sa.union(&sb)), &ma | &mb);
    assert_eq!(list(&sa.intersection(&sb)), &ma & &mb);
    assert_eq!(list(&sa.difference(&sb)), &ma - &mb);
    assert_eq!(sa.len(), ma.len() as u64);
    for n in 1..=256 {
        let uid = Uid::new(n).expect("not zero");
        assert_eq!(sa.contains(uid), ma.contains(&n));
        let mut with = sa.clone();
        with.insert(uid);
        assert_eq!(with, sa.union(&UidSet::range(uid, uid)));
    }
    let mut head = sa.clone();
    let tail = head.split_off_after(u64::from(b.len() as u8));
    assert_eq!(head.len(), sa.len().min(u64::from(b.len() as u8)));
    assert_eq!(head.union(&tail), sa);
}

fn both(octets: &[u8]) -> (UidSet, BTreeSet<u32>) {
    let ranges = || {
        octets
            .chunks_exact(2)
            .take(50)
            .map(|r| (u32::from(r[0]) + 1, u32::from(r[1]) + 1))
    };
    let set = UidSet::from_ranges(ranges());
    let apart = set.ranges().windows(2).all(|r| r[0].1 + 1 < r[1].0);
    assert!(apart && set.ranges().iter().all(|r| r.0 <= r.1));
    (
        set,
        ranges().flat_map(|(a, b)| a.min(b)..=a.max(b)).collect(),
    )
}

fn list(set: &UidSet) -> BTreeSet<u32> {
    set.iter().map(Uid::get).collect()
}
