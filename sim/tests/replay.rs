//! Recordings: what a session was given plays again octet for octet, without a store, and holds nothing that is private.

use pillarbox_driver::{ReplayError, Replayed, Spoken, replay, replay_unfinished};
use pillarbox_sim::{Chunking, Host, Options, all_scripts};

fn played(recording: &str) -> Result<Replayed, ReplayError> {
    replay(recording, |_| {})
}

#[test]
fn every_script_plays_again() {
    let (mut failures, mut sessions) = (Vec::new(), 0);
    for script in all_scripts().unwrap() {
        for chunking in [Chunking::Whole, Chunking::Random(7)] {
            for (name, recording) in script.record(chunking) {
                sessions += 1;
                match played(&recording) {
                    Ok(done) if done.stopped.is_none() => {}
                    other => {
                        failures.push(format!("{} {name} {chunking:?}: {other:?}", script.name()))
                    }
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "of {sessions}:\n{}",
        failures.join("\n")
    );
    assert!(sessions >= 2 * 226, "{sessions}");
}

/// Words that no recording may hold; each script line below says one or more of them.
const PRIVATE: &[&str] = &[
    "hunter2secret",
    "quotedsecret",
    "literalsecret",
    "initialsecret",
    "linesecret",
    "spelledsecret",
    "barepassword",
    "typedinidle",
    "hiddensubject",
    "hiddenbody",
    "hiddenname",
    "hiddenfile",
    "hiddenheader",
    "soughtword",
    "soughtliteral",
    "clientidentity",
    "toolongsecret",
    "afterthefact",
    "unfinishedsecret",
    "refusedmessage",
    "strayline",
    "someuser",
];

#[test]
fn nothing_private_is_in_a_recording() {
    let message = "Subject: hiddensubject\r\nX-hiddenheader: hiddenheader\r\nFrom: hiddenname <hiddenname@example.org>\r\nContent-Type: \
        multipart/mixed; boundary=zz\r\n\r\n--zz\r\nContent-Disposition: attachment; filename=hiddenfile\r\n\r\nhiddenbody: \
        hiddenbody\r\n--zz\r\nContent-Transfer-Encoding: base64\r\n\r\naGlkZGVuYm9keQ==\r\n--zz--\r\n";
    let base64 = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    let before = [
        String::from("a LOGIN someuser hunter2secret\r\n"),
        String::from("b LOGIN \"someuser\" \"quoted\\\"quotedsecret\"\r\n"),
        String::from("c LOGN someuser spelledsecret\r\nbarepassword\r\n"),
    ];
    let sasl = [
        format!(
            "a AUTHENTICATE PLAIN {}\r\n",
            base64("\0someuser\0initialsecret")
        ),
        format!(
            "b AUTHENTICATE PLAIN\r\n{}\r\n",
            base64("\0someuser\0linesecret")
        ),
        String::from("c LOGIN {8+}\r\nsomeuser {13+}\r\nliteralsecret\r\n"),
    ];
    let long = [format!(
        "a LOGIN someuser {}\r\n",
        "toolongsecret ".repeat(3000)
    )];
    let session = [
        String::from("a LOGIN tim pw\r\nb ID (\"name\" \"clientidentity\")\r\n"),
        format!(
            "c APPEND INBOX {{{}+}}\r\n{message}\r\nd SELECT INBOX\r\n",
            message.len()
        ),
        format!(
            "e APPEND nowhere {{{}+}}\r\n{}\r\n",
            400,
            "refusedmessage\r\n".repeat(25)
        ),
        String::from(
            "f FETCH 1 (ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n",
        ),
        String::from(
            "g FETCH 1 (BINARY.PEEK[2] BODY.PEEK[1] BODY.PEEK[HEADER.FIELDS.NOT (FROM)] RFC822.SIZE)\r\n",
        ),
        String::from(
            "h SEARCH SUBJECT soughtword OR TEXT \"soughtword\" HEADER From soughtword BODY {13+}\r\nsoughtliteral\r\n",
        ),
        String::from("n LOGIN someuser unfinishedsecret"),
    ];
    let invalid = [
        String::from("a LOGIN tim pw\r\nb SELECT INBOX\r\n"),
        String::from("i SEARCH SUBJEKT soughtword\r\nj FETCH 1 soughtword\r\n"),
        String::from("strayline of a message\r\nk SELECT too many strayline words\r\n"),
        String::from("l IDLE\r\ntypedinidle\r\n"),
        String::from("m LOGIN someuser afterthefact\r\n"),
    ];
    for (spoken, what) in [
        (&before[..], "before"),
        (&sasl, "sasl"),
        (&long, "long"),
        (&session, "session"),
        (&invalid, "invalid"),
    ] {
        for chunking in [Chunking::Whole, Chunking::Octets, Chunking::Random(3)] {
            let mut host = Host::new(&Options::default());
            host.record();
            for octets in spoken {
                host.send("A", octets.as_bytes(), chunking);
            }
            let said = host.take_output("A");
            host.end_input("A");
            let recording = &host.into_recordings()["A"];
            let lower = recording.to_lowercase();
            for word in PRIVATE {
                assert!(
                    !lower.contains(word),
                    "{what} {chunking:?}: {word} in\n{recording}"
                );
                let coded = base64(word);
                assert!(
                    !recording.contains(&coded[..coded.len() - 4]),
                    "{what} {chunking:?}: {word} in base64"
                );
            }
            let done = played(recording)
                .unwrap_or_else(|e| panic!("{what} {chunking:?}: {e}\n{recording}"));
            assert_eq!(done.stopped, None, "{what} {chunking:?}");
            let lengths = spoken.concat().len() as u64;
            assert_eq!(done.octets_in, lengths, "{what} {chunking:?}");
            let same = done.octets_out == said.len() as u64;
            // What is wrong with a command may be told in other words when it holds filler.
            assert!(same || what != "session", "{chunking:?}\n{recording}");
        }
    }
}

/// A recording with a search, a FETCH and a LOGOUT.
fn recording() -> String {
    let mut host = Host::new(&Options::default());
    host.record();
    let spoken = "a LOGIN tim pw\r\nb APPEND INBOX {5+}\r\na: b\n\r\nc SELECT INBOX\r\nd SEARCH ALL\r\ne FETCH 1 (FLAGS BODY[])\r\nf LOGOUT\r\n";
    host.send("A", spoken.as_bytes(), Chunking::Whole);
    host.into_recordings()["A"].clone()
}

#[test]
fn what_was_said_is_shown() {
    let (mut client, mut server) = (Vec::new(), Vec::new());
    let done = replay(&recording(), |spoken| match spoken {
        Spoken::Client(octets) => client.extend_from_slice(octets),
        Spoken::Server(octets) => server.extend_from_slice(octets),
    })
    .unwrap();
    assert!(client.starts_with(b"a LOGIN xxx xx\r\nb APPEND INBOX {5+}\r\nE"));
    let server = String::from_utf8(server).unwrap();
    assert!(
        server.contains("\r\n* SEARCH 1\r\nd OK ") && server.ends_with("f OK LOGOUT completed\r\n"),
        "{server}"
    );
    assert_eq!(
        (done.octets_in, done.octets_out),
        (client.len() as u64, server.len() as u64)
    );
}

#[test]
fn a_cut_or_damaged_recording_is_refused() {
    let whole = recording();
    assert!(played(&whole).is_ok());
    for at in 0..whole.len() {
        let cut = played(&whole[..at]);
        let named = matches!(
            cut,
            Err(ReplayError::Cut(_) | ReplayError::NotARecording | ReplayError::Version(_))
        );
        assert!(named, "cut at {at}: {cut:?}");
    }
    for (at, octet) in whole.bytes().enumerate() {
        let mut damaged = whole.clone().into_bytes();
        damaged[at] = if octet == b'#' { b'%' } else { b'#' };
        let damaged = String::from_utf8(damaged).unwrap();
        assert!(played(&damaged).is_err(), "damaged at {at}");
    }
}

#[test]
fn what_is_left_of_a_cut_recording_plays() {
    let whole = recording();
    for (at, _) in whole.match_indices('\n').skip(50) {
        for at in [at, at + 1] {
            let done = replay_unfinished(&whole[..at], |_| {});
            assert!(done.is_ok(), "cut at {at}: {done:?}");
        }
    }
}

#[test]
fn another_version_is_refused_by_name() {
    for version in ["0", "1", "2", "3", "5", "1.5"] {
        let other = recording().replacen("recording 4", &format!("recording {version}"), 1);
        assert_eq!(
            played(&other),
            Err(ReplayError::Version(version.to_owned()))
        );
    }
    for other in ["", "\n", "* OK hello\r\n", "pillarbox\n"] {
        assert_eq!(played(other), Err(ReplayError::NotARecording));
    }
}

#[test]
fn a_session_that_does_something_else_is_found() {
    let whole = recording();
    let (sent, _) = whole.rsplit_once("\nsent ").unwrap();
    let line = sent.lines().count() + 1;
    let digest = whole[sent.len()..].split_ascii_whitespace().nth(2).unwrap();
    let (_, search) = whole.split_once("poll Search ").unwrap();
    let search = search.lines().next().unwrap();
    let reply = format!("reply {search} ok 1 1 1");
    for (from, to, at) in [
        (
            &*format!("poll Search {search}"),
            "poll Search 77",
            "poll Search",
        ),
        ("d SEARCH ALL", "d SEARCH WHAT", "poll Search"),
        (&reply, &format!("reply {search} ok 0"), "sent "),
        (digest, "0123456789abcdef", "sent "),
    ] {
        let changed = whole.replacen(from, to, 1);
        let done = replay_unfinished(&changed, |_| {});
        assert_ne!(changed, whole, "{from}");
        let Err(ReplayError::Differs { line: found, .. }) = done else {
            panic!("{from} for {to}: {done:?}");
        };
        let there = changed.lines().nth(found - 1).unwrap();
        assert!(
            there.starts_with(at) && found <= line,
            "{from}: {found} {there}"
        );
    }
}

/// What a failing history leaves behind: every connection plays, faults of the store, cuts and late notices and all.
#[test]
fn histories_play_again() {
    use pillarbox_sim::history::{Pace, Plan, record};
    let mut octets = 0;
    for seed in 0..40 {
        let plan = Plan::new(seed, 40);
        let all = vec![true; plan.events.len()];
        for (name, recording) in record(&plan, &all, Pace::Free) {
            let done = played(&recording)
                .unwrap_or_else(|e| panic!("seed {seed}, {name}: {e}\n{recording}"));
            octets += done.octets_out;
        }
    }
    assert!(octets > 100_000, "only {octets} octets were said");
}
