//! Changes: flags, expunges, what is told of them, many at once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use pillarbox_core::effect::{Changes, ErrorKind, Fetch, Fields, FlagOp};
use pillarbox_core::flag::SystemFlags;
use pillarbox_core::id::{ModSeq, Uid};
use pillarbox_core::set::UidSet;

use super::{Check, Client, MAIL, Model, flag_names};
use crate::contract::Backend;

pub(super) const CHECKS: &[Check] = &[
    ("flags, UNCHANGEDSINCE and counters", flags),
    ("changes tell arrivals, flags and expunges", changes),
    ("many changes of flags come in pages", pages),
    ("what came and what is gone come in pages", ranges),
    ("notices come after durable changes", notices),
    ("many at once", many_at_once),
    ("random changes agree with a model", random),
];

fn flags(s: &dyn Backend) {
    let c = Client::new(s, 1);
    for _ in 0..3 {
        c.append("INBOX", MAIL).unwrap();
    }
    let before = c.select("INBOX").unwrap();
    let (mailbox, all) = (before.mailbox, before.uids.clone());
    let seen = || flag_names(SystemFlags::SEEN, &["$Work"]);
    let add = |uids, since| c.set(mailbox, uids, FlagOp::Add, seen(), since).unwrap();
    let done = add(one(2), None);
    assert_eq!(done.changed, one(2));
    assert!(done.modseq.unwrap() > before.highest_modseq);
    assert_eq!(add(one(2), None).modseq, None);
    let nothing = add(all.clone(), Some(ModSeq(0)));
    assert_eq!((nothing.modseq, nothing.refused), (None, all.clone()));
    let done = add(all.clone(), Some(before.highest_modseq));
    assert_eq!((done.refused, done.changed.len()), (one(2), 2));
    let less = flag_names(SystemFlags::SEEN, &["$work", "$other"]);
    let these = UidSet::from_ranges([(3, 9)]);
    let done = c.set(mailbox, these, FlagOp::Remove, less, None).unwrap();
    let gone = done.gone.ranges().to_vec();
    assert_eq!((gone, done.keywords.len()), (vec![(4, 9)], 1));
    let many: Vec<String> = (0..200).map(|i| format!("k{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let state = c.state().unwrap();
    let many = flag_names(SystemFlags::FLAGGED, &many);
    let refused = c.set(mailbox, all, FlagOp::Add, many, None);
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Limit);
    assert_eq!(c.state().unwrap(), state);
    let status = c.status("INBOX").unwrap();
    assert_eq!((status.messages, status.unseen, status.recent), (3, 1, 0));
    assert_eq!(c.examine("INBOX").unwrap().first_unseen, Uid::new(3));
    let replaced = flag_names(SystemFlags::DRAFT, &[]);
    c.set(mailbox, one(1), FlagOp::Replace, replaced, None)
        .unwrap();
    let first = &c.state().unwrap()[0].messages[0];
    assert_eq!(first.system, SystemFlags::DRAFT.0);
    assert!(first.keywords.is_empty());
}

fn changes(s: &dyn Backend) {
    let c = Client::new(s, 1);
    for _ in 0..3 {
        c.append("INBOX", MAIL).unwrap();
    }
    let opened = c.select("INBOX").unwrap();
    let add = |n, flag| {
        let flags = flag_names(flag, &[]);
        c.set(opened.mailbox, one(n), FlagOp::Add, flags, None)
    };
    add(1, SystemFlags::SEEN).unwrap();
    add(2, SystemFlags::DELETED).unwrap();
    c.expunge(opened.mailbox, one(2)).unwrap();
    c.append("INBOX", MAIL).unwrap();
    let since = |since| {
        let told = c.ask(Changes {
            actor: c.actor(),
            mailbox: opened.mailbox,
            since,
            known_below: opened.uid_next,
            claim_recent: true,
            from: Uid::MIN,
            ranges: usize::MAX,
            limit: usize::MAX,
        });
        told.unwrap()
    };
    let told = since(opened.highest_modseq);
    assert_eq!((&told.fresh, &told.gone), (&one(4), &one(2)));
    let changed: Vec<_> = told.flags.iter().map(|f| f.0.get()).collect();
    assert_eq!(changed, [1]);
    assert_eq!(told.recent_from.get(), 4);
    let again = since(told.to);
    assert!(again.flags.is_empty() && again.gone.is_empty());
    assert_eq!((again.recent_from.get(), again.to), (5, told.to));
}

/// What a limit leaves out of the changes is fetched: together they are what changed.
fn pages(s: &dyn Backend) {
    let c = Client::new(s, 1);
    for _ in 0..6 {
        c.append("INBOX", MAIL).unwrap();
    }
    let opened = c.select("INBOX").unwrap();
    let these = UidSet::from_ranges([(1, 2), (4, 6)]);
    let seen = flag_names(SystemFlags::SEEN, &["$Work"]);
    let done = c.set(opened.mailbox, these.clone(), FlagOp::Add, seen, None);
    c.append("INBOX", MAIL).unwrap();
    for limit in 0..7 {
        let told = c.ask(Changes {
            actor: c.actor(),
            mailbox: opened.mailbox,
            since: opened.highest_modseq,
            known_below: opened.uid_next,
            claim_recent: false,
            from: Uid::MIN,
            ranges: 1,
            limit,
        });
        let told = told.unwrap();
        assert_eq!(told.flags.len(), limit.min(5));
        let more = (1..5).contains(&limit);
        assert_eq!((&told.fresh, told.resume.is_some()), (&one(7), more));
        let mut changed: UidSet = told.flags.iter().map(|f| f.0).collect();
        if limit == 0 {
            continue;
        }
        let mut resume = told.resume;
        while let Some(from) = resume {
            let page = c.ask(Fetch {
                actor: c.actor(),
                mailbox: opened.mailbox,
                uids: UidSet::from_ranges([(from.get(), opened.uid_next.get() - 1)]),
                changed_since: Some(opened.highest_modseq),
                fields: Fields::default(),
                inline: 0,
                budget: 1,
            });
            let page = page.unwrap();
            for row in &page.rows {
                assert_eq!(row.modseq, done.as_ref().unwrap().modseq.unwrap());
                assert_eq!(row.flags.system, SystemFlags::SEEN);
                changed.insert(row.uid);
            }
            resume = page.resume;
        }
        assert_eq!(changed, these);
    }
}

/// Pages of ranges are together what one page of all would be, whatever their size, and none tells of what another does.
fn ranges(s: &dyn Backend) {
    let c = Client::new(s, 1);
    let append = |count: u32| {
        for _ in 0..count {
            c.append("INBOX", MAIL).unwrap();
        }
    };
    let remove = |mailbox, uids: &UidSet| {
        let deleted = flag_names(SystemFlags::DELETED, &[]);
        c.set(mailbox, uids.clone(), FlagOp::Add, deleted, None)
            .unwrap();
        assert_eq!(c.expunge(mailbox, uids.clone()).unwrap().uids, *uids);
    };
    append(12);
    let opened = c.select("INBOX").unwrap();
    // Each in its own change: what touches is one range or several.
    for gone in [&[(3, 4), (8, 8)][..], &[(5, 5)], &[(1, 1), (12, 12)]] {
        remove(opened.mailbox, &UidSet::from_ranges(gone.to_vec()));
    }
    append(9);
    remove(
        opened.mailbox,
        &UidSet::from_ranges([(14, 15), (17, 17), (19, 20)]),
    );
    let whole = |since| c.changes(opened.mailbox, since, opened.uid_next).unwrap();
    let all = whole(opened.highest_modseq);
    assert_eq!(all.more, None);
    let fresh = UidSet::from_ranges([(13, 13), (16, 16), (18, 18), (21, 21)]);
    let gone = [
        (1, 1),
        (3, 5),
        (8, 8),
        (12, 12),
        (14, 15),
        (17, 17),
        (19, 20),
    ];
    assert_eq!(
        (&all.fresh, &all.gone),
        (&fresh, &UidSet::from_ranges(gone))
    );
    for since in [opened.highest_modseq, ModSeq(all.to.0 - 1), all.to] {
        for ranges in 1..9 {
            let (wanted, mut fresh, mut gone) = (whole(since), UidSet::new(), UidSet::new());
            let mut from = Some(Uid::MIN);
            while let Some(at) = from {
                let page = c.ask(Changes {
                    actor: c.actor(),
                    mailbox: opened.mailbox,
                    since,
                    known_below: opened.uid_next,
                    claim_recent: false,
                    from: at,
                    ranges,
                    limit: 0,
                });
                let page = page.unwrap();
                assert!(page.more.is_none_or(|more| more > at), "it goes on");
                let upto = page.more.map_or(u32::MAX, |more| more.get() - 1);
                let here = UidSet::from_ranges([(at.get(), upto)]);
                for (part, all) in [(&page.fresh, &mut fresh), (&page.gone, &mut gone)] {
                    assert!(part.ranges().len() <= ranges, "{part} of {ranges}");
                    assert!(part.difference(&here).is_empty(), "{part} of {here}");
                    *all = all.union(part);
                }
                from = page.more;
            }
            assert_eq!((fresh, gone), (wanted.fresh.clone(), wanted.gone.clone()));
        }
    }
}

fn notices(s: &dyn Backend) {
    let c = Client::new(s, 1);
    let (send, told) = mpsc::channel();
    let send = Mutex::new(send);
    s.subscribe(Arc::new(move |notice| {
        let _ = send.lock().expect("not poisoned").send(notice);
    }));
    c.append("INBOX", MAIL).unwrap();
    let notice = told.recv_timeout(Duration::from_secs(60)).unwrap();
    let opened = c.examine("INBOX").unwrap();
    assert_eq!(notice.mailbox, opened.mailbox);
    assert_eq!(notice.modseq, Some(opened.highest_modseq));
    c.create("a").unwrap();
    let gone = c.examine("a").unwrap().mailbox;
    c.delete("a").unwrap();
    loop {
        let notice = told.recv_timeout(Duration::from_secs(60));
        let notice = notice.expect("the going of a mailbox is told");
        if notice.mailbox == gone && notice.modseq.is_none() {
            return;
        }
    }
}

/// Writers beside each other: no UID twice, none lost, each one's own in order.
fn many_at_once(s: &dyn Backend) {
    Client::new(s, 1).create("to").unwrap();
    let ours: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let run = |n: u32| {
            let c = Client::new(s, 1);
            let mailbox = c.examine("INBOX").unwrap().mailbox;
            let mut uids = Vec::new();
            for i in 0..20 {
                let uid = c.append("INBOX", format!("{n} {i}").as_bytes()).unwrap();
                uids.push(uid.get());
                let uids = UidSet::range(uid, uid);
                match i % 3 {
                    0 => drop(c.copy(mailbox, uids, "to").unwrap()),
                    1 => {
                        let flags = flag_names(SystemFlags::SEEN, &[&format!("$w{n}")]);
                        drop(c.set(mailbox, uids, FlagOp::Add, flags, None).unwrap());
                    }
                    _ => drop(c.relocate(mailbox, uids, "to").unwrap()),
                }
            }
            uids
        };
        let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || run(n))).collect();
        let join = |t: std::thread::ScopedJoinHandle<'_, _>| t.join().expect("no writer fails");
        threads.into_iter().map(join).collect()
    });
    assert!(ours.iter().all(|uids| uids.is_sorted()));
    let all: BTreeSet<u32> = ours.iter().flatten().copied().collect();
    assert_eq!(all, (1..=80).collect());
    let state = Client::new(s, 1).state().unwrap();
    let counts: Vec<_> = state.iter().map(|m| m.messages.len()).collect();
    assert_eq!(counts, [80 - 4 * 6, 4 * (7 + 6)]);
}

fn random(s: &dyn Backend) {
    for seed in 1..=3 {
        let (c, mut model) = (Client::new(s, seed), Model::new(seed));
        for _ in 0..150 {
            model.step(c);
        }
        assert_eq!(model.disagreement(&c.state().unwrap()), None);
    }
}

fn one(n: u32) -> UidSet {
    UidSet::from_ranges([(n, n)])
}
