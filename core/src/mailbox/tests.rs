use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;

fn wire(s: &str) -> Result<MailboxName, NameError> {
    MailboxName::from_wire(s.as_bytes(), false)
}

#[test]
fn utf7_has_one_form() {
    assert_eq!(
        wire("~peter/mail/&U,BTFw-/&ZeVnLIqe-").unwrap().as_str(),
        "~peter/mail/台北/日本語"
    );
    assert_eq!(wire("A&-B").unwrap().as_str(), "A&B");
    for bad in [
        "&",
        "a&",
        "&AGE-",
        "&2D0-",
        "&AAA-",
        "&U,BTFw",
        "&Jjo-&Jjo-",
        "&Jjo!-",
        "a\u{e9}",
        "&Jjp-",
    ] {
        assert!(wire(bad).is_err(), "{bad}");
    }
}

#[test]
fn names_are_checked() {
    assert_eq!(MailboxName::new("InBoX/Sub").unwrap().as_str(), "INBOX/Sub");
    assert_eq!(MailboxName::new("inboxes").unwrap().as_str(), "inboxes");
    assert_eq!(MailboxName::new("e\u{301}").unwrap().as_str(), "\u{e9}");
    for bad in ["", "/", "a//b", "/a", "a/", "a\u{7}", "a\u{2028}", "a\u{0}"] {
        assert!(MailboxName::new(bad).is_err(), "{bad:?}");
    }
    assert!(MailboxName::new(&"a".repeat(1000)).is_ok());
    assert_eq!(MailboxName::new(&"a".repeat(1001)), Err(NameError::TooLong));
    let deep = alloc::vec!["a"; 64].join("/");
    assert!(MailboxName::new(&deep).is_ok());
    assert_eq!(MailboxName::new(&(deep + "/a")), Err(NameError::TooDeep));
    assert!(MailboxName::new(&(String::from("a") + &"\u{330}".repeat(30))).is_ok());
    assert_eq!(
        MailboxName::new(&(String::from("a") + &"\u{330}".repeat(31))),
        Err(NameError::Marks)
    );
}

#[test]
fn patterns() {
    let yes = |p: &str, n: &str| assert!(Pattern::new(p).unwrap().matches(n), "{p} {n}");
    let no = |p: &str, n: &str| assert!(!Pattern::new(p).unwrap().matches(n), "{p} {n}");
    yes("*", "a/b");
    no("%", "a/b");
    yes("%/%", "a/b");
    yes("inbox", "INBOX");
    yes("inb%", "INBOX");
    no("inb%", "Inbred");
    yes("InBoX/%", "INBOX/Sub");
    yes("%box", "INBOX");
    yes("*bo*b", "INBOX/Sub");
    no("inbox/sub", "INBOX/Sub");
    no("inboxes", "INBOXES");
    no("*BOX", "inbred/box");
    yes("e\u{301}%", "\u{e9}t\u{e9}");
    yes("&", "&");
    yes("a*c", "abbbc");
    no("a*c", "abbbd");
    no("", "a");
    assert!(Pattern::new(&"ab".repeat(512)).is_ok());
    let long = Pattern::new(&"ab".repeat(30_000));
    assert_eq!(long.unwrap_err(), NameError::PatternTooLong);
    assert!(Pattern::new(&"é".repeat(513)).is_err());
    assert!(Pattern::new(&"%*".repeat(30_000)).unwrap().matches("x/y"));
}

#[test]
fn a_pattern_on_the_wire_is_decoded_with_its_reference() {
    let pattern = Pattern::from_wire(b"&ZeVnLIqe-/", b"&U,BTFw-%", false).unwrap();
    assert!(pattern.matches("日本語/台北市"));
    assert!(!pattern.matches("日本語/台北/市"));
    assert!(Pattern::from_wire(b"", b"&AGE-*", false).is_err());
    assert!(Pattern::from_wire(b"", b"\xff*", true).is_err());
    let literal = Pattern::from_wire(b"", b"R&D*", true).unwrap();
    assert!(literal.matches("R&D/plans"));
}

#[test]
fn matching_crosses_words_of_the_bit_set() {
    let name = "x".repeat(200);
    for len in [62, 63, 64, 65, 126, 127, 128, 129] {
        let stem = "x".repeat(len);
        assert!(Pattern::new(&stem).unwrap().matches(&stem), "{len}");
        assert!(!Pattern::new(&stem).unwrap().matches(&name), "{len}");
        let open = Pattern::new(&(stem.clone() + "%")).unwrap();
        assert!(open.matches(&stem) && open.matches(&name), "{len}");
        assert!(!open.matches(&(name.clone() + "/x")), "{len}");
        let inner = Pattern::new(&(stem.clone() + "*x")).unwrap();
        assert!(inner.matches(&(stem.clone() + "/x")) && !inner.matches(&stem));
    }
}

#[test]
fn a_name_once_accepted_stays_accepted() {
    // U+0344 is two marks in NFC, so that counting what came in would let twice as many through.
    let doubled = String::from("a") + &"\u{344}".repeat(16);
    assert_eq!(MailboxName::new(&doubled), Err(NameError::Marks));
    let marks = String::from("a") + &"\u{301}".repeat(1_000_000);
    assert_eq!(MailboxName::new(&marks), Err(NameError::TooLong));
    // U+1D160 takes 4 octets, and 12 in NFC.
    let grown = MailboxName::new(&"\u{1d160}".repeat(100));
    assert_eq!(grown, Err(NameError::TooLong));
}

#[test]
fn names_have_relations() {
    let name = |n: &str| MailboxName::new(n).unwrap();
    let deep = name("inbox/a/b");
    let above: Vec<_> = deep.ancestors().collect();
    assert_eq!(above, [name("INBOX/a"), MailboxName::inbox()]);
    assert!(above[1].is_inbox() && above[1].parent().is_none());
    assert!(deep.is_within(&above[0]) && deep.is_within(&above[1]));
    assert!(!deep.is_within(&deep) && !name("foobar").is_within(&name("foo")));
    let (foo, bar) = (name("foo"), name("bar/x"));
    assert_eq!(
        name("foo/y").with_prefix_replaced(&foo, &bar),
        Ok(name("bar/x/y"))
    );
    assert_eq!(foo.with_prefix_replaced(&foo, &bar), Ok(bar.clone()));
    assert_eq!(
        name("foobar").with_prefix_replaced(&foo, &bar),
        Ok(name("foobar"))
    );
    let long = name(&"l".repeat(998));
    assert_eq!(
        name("foo/y").with_prefix_replaced(&foo, &long),
        Ok(name(&("l".repeat(998) + "/y")))
    );
    assert_eq!(
        name("foo/yy").with_prefix_replaced(&foo, &long),
        Err(NameError::TooLong)
    );
}

/// The meaning of a pattern, written down as plainly as can be.
fn naive(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => (0..=name.len()).any(|at| naive(rest, &name[at..])),
        ['%', rest @ ..] => (0..=name.len())
            .take_while(|at| !name[..*at].contains(&'/'))
            .any(|at| naive(rest, &name[at..])),
        [c, rest @ ..] => name.first() == Some(c) && naive(rest, &name[1..]),
    }
}

proptest! {
    #[test]
    fn every_name_survives_the_wire(name in "[a-z&~ä-ü日本😀/ -]{1,20}") {
        if let Ok(name) = MailboxName::new(&name) {
            prop_assert_eq!(MailboxName::from_wire(name.to_wire(false).as_bytes(), false), Ok(name.clone()));
            prop_assert_eq!(MailboxName::from_wire(name.to_wire(true).as_bytes(), true), Ok(name));
        }
    }

    #[test]
    fn matches_as_the_naive_matcher(pattern in "[ab/é%*]{0,9}", name in "[ab/é]{0,9}") {
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        let expected = naive(&chars(&pattern), &chars(&name));
        prop_assert_eq!(Pattern::new(&pattern).unwrap().matches(&name), expected);
    }

    #[test]
    fn levels_match_as_the_names_they_end(
        pattern in "([iI][nN][bB][oO][xX]|[ab]?)[ab/%*]{0,9}", name in "(INBOX|[ab])(/[ab]{1,2}){0,5}"
    ) {
        let pattern = Pattern::new(&pattern).unwrap();
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        let levels = ends.zip(0..).map(|(end, level)| u64::from(pattern.matches(&name[..end])) << level);
        prop_assert_eq!(pattern.levels(&name), levels.sum::<u64>());
    }

    #[test]
    fn names_are_fixed_points(name in "[iInNbBoOxX/e\u{300}-\u{345}\u{1d15e}-\u{1d164}]{1,40}") {
        if let Ok(name) = MailboxName::new(&name) {
            prop_assert_eq!(MailboxName::new(name.as_str()), Ok(name.clone()));
            for above in name.ancestors() {
                prop_assert_eq!(MailboxName::new(above.as_str()), Ok(above.clone()));
                prop_assert!(name.is_within(&above));
            }
        }
    }

    #[test]
    fn what_utf7_is_accepted_is_written_back(wire in "[a&,+A2DGEJjo/-]{0,12}") {
        if let Ok(text) = utf7::decode(&wire) {
            prop_assert_eq!(utf7::encode(&text), wire);
        }
    }

    #[test]
    fn every_text_survives_utf7(text in any::<String>()) {
        prop_assert_eq!(utf7::decode(&utf7::encode(&text)), Ok(text));
    }

    #[test]
    fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..40), utf8 in any::<bool>()) {
        let _ = MailboxName::from_wire(&octets, utf8);
        let _ = Pattern::from_wire(&octets, &octets, utf8);
    }
}
