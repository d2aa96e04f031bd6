//! Numbers and sets of them, and what is done to the messages they name.

use super::{Class, Row, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "Numbers are checked against 32 and 63 bits (RFC 9051 §9 nz-number, number64), zero is none of nz-number, and nothing wraps",
            rows: numbers(),
        },
        Class {
            why: "A set stays ranges, is cut to the mailbox before anything else, and names each message once (RFC 9051 §9 sequence-set)",
            rows: sets(),
        },
        Class {
            why: "What COPY, MOVE and EXPUNGE act on is known when they begin: no message is met twice, and an empty mailbox ends at once",
            rows: snapshots(),
        },
        Class {
            why: "Flags and keywords are bounded, and are told by the grammar whatever was asked (RFC 9051 §9 flag)",
            rows: flags(),
        },
    ]
}

fn numbers() -> Vec<Row> {
    vec![
        late("FETCH 0", "a FETCH 0 FLAGS\r\n", &["a BAD"]),
        late("FETCH 0:1", "a FETCH 0:1 FLAGS\r\n", &["a BAD"]),
        late("FETCH 1:0", "a FETCH 1:0 FLAGS\r\n", &["a BAD"]),
        late("UID FETCH 0", "a UID FETCH 0 FLAGS\r\n", &["a BAD"]),
        late("FETCH -1", "a FETCH -1 FLAGS\r\n", &["a BAD"]),
        late(
            "FETCH of a number with leading zeros",
            "a FETCH 01 UID\r\n",
            &["a "],
        ),
        late(
            "FETCH of 2^32 - 1",
            "a UID FETCH 4294967295 FLAGS\r\n",
            &["a OK"],
        ),
        late("FETCH of 2^32", "a FETCH 4294967296 FLAGS\r\n", &["a BAD"]),
        late(
            "FETCH of 2^32 + 1",
            "a FETCH 4294967297 FLAGS\r\n",
            &["a BAD"],
        ),
        late(
            "FETCH of 2^64 + 1",
            "a FETCH 18446744073709551617 FLAGS\r\n",
            &["a BAD"],
        ),
        late(
            "FETCH of a number of 60,000 digits",
            repeated("a FETCH ", "1", 60_000, " FLAGS\r\n"),
            &["a BAD"],
        ),
        late("FETCH of no number", "a FETCH  FLAGS\r\n", &["a BAD"]),
        late(
            "FETCH of a hexadecimal number",
            "a FETCH 0x1 FLAGS\r\n",
            &["a BAD"],
        ),
        late(
            "FETCH of a number beyond the mailbox",
            "a FETCH 4294967295 FLAGS\r\n",
            &["a "],
        ),
    ]
}

fn sets() -> Vec<Row> {
    vec![
        late(
            "UID FETCH of everything there could be",
            "a UID FETCH 1:4294967295 UID\r\n",
            &["a OK"],
        ),
        late(
            "UID FETCH backwards",
            "a UID FETCH 4294967295:1 UID\r\n",
            &["* 1 FETCH", "* 2 FETCH", "a OK"],
        ),
        late(
            "a set of five thousand ranges",
            repeated("a UID FETCH 1:*", ",1:*", 5000, " UID\r\n"),
            &["* 1 FETCH", "* 2 FETCH", "a OK"],
        ),
        late(
            "a set of sixty thousand numbers, backwards",
            (0..60_000)
                .rev()
                .fold(String::from("a UID FETCH 60001"), |t, n| {
                    t + "," + &(n + 1).to_string()
                })
                + " UID\r\n",
            &["* 1 FETCH", "* 2 FETCH", "a OK"],
        ),
        late(
            "a set with a star of its own",
            "a UID FETCH *:* UID\r\n",
            &["* 2 FETCH (UID 2)", "a OK"],
        ),
        late(
            "a star and a number beyond",
            "a UID FETCH 4294967295:* UID\r\n",
            &["* 2 FETCH (UID 2)", "a OK"],
        ),
        late(
            "a set that ends in a comma",
            "a UID FETCH 1, UID\r\n",
            &["a BAD"],
        ),
        late(
            "a set that begins with a comma",
            "a UID FETCH ,1 UID\r\n",
            &["a BAD"],
        ),
        late(
            "a set of two colons",
            "a UID FETCH 1::2 UID\r\n",
            &["a BAD"],
        ),
        late(
            "a set of three ends",
            "a UID FETCH 1:2:3 UID\r\n",
            &["a BAD"],
        ),
        late("a set with a space", "a UID FETCH 1, 2 UID\r\n", &["a BAD"]),
        late("a set of two stars", "a UID FETCH ** UID\r\n", &["a BAD"]),
        late(
            "a saved set among numbers",
            "a UID FETCH 1,$ UID\r\n",
            &["a BAD"],
        ),
        late(
            "a saved set that never was",
            "a UID FETCH $ UID\r\n",
            &["a OK"],
        )
        .never("FETCH ("),
    ]
}

fn snapshots() -> Vec<Row> {
    vec![
        late(
            "COPY of everything many times over",
            repeated("a COPY 1", ",1:2", 10_000, " Nowhere\r\n"),
            &["a NO [TRYCREATE]"],
        ),
        late(
            "COPY into the same mailbox",
            "a COPY 1:* INBOX\r\nb COPY 1:* INBOX\r\nc STATUS INBOX (MESSAGES)\r\n",
            &["a OK", "b OK", "(MESSAGES 8)", "c OK"],
        ),
        late(
            "MOVE into the same mailbox",
            "a UID MOVE 1:* INBOX\r\nb STATUS INBOX (MESSAGES)\r\n",
            &["a OK", "(MESSAGES 2)", "b OK"],
        ),
        late(
            "MOVE * into the same mailbox",
            "a MOVE * INBOX\r\nb STATUS INBOX (MESSAGES)\r\n",
            &["a OK", "(MESSAGES 2)", "b OK"],
        ),
        late(
            "MOVE * in an empty mailbox",
            "a CREATE E\r\nb SELECT E\r\nc MOVE * INBOX\r\nd UID MOVE * INBOX\r\ne UID FETCH 1:* FLAGS\r\n",
            &["a OK", "b OK", "c BAD", "d OK", "e OK"],
        ),
        late(
            "everything in an empty mailbox",
            "a CREATE E\r\nb SELECT E\r\nc UID SEARCH ALL\r\nd UID COPY 1:* INBOX\r\ne EXPUNGE\r\nf UID STORE 1:* +FLAGS (\\Seen)\r\n",
            &["b OK", "c OK", "d OK", "e OK", "f OK"],
        ),
        late(
            "UID EXPUNGE of everything there could be",
            "a UID EXPUNGE 1:4294967295\r\n",
            &["a OK"],
        ),
        late("UID EXPUNGE of nothing", "a UID EXPUNGE\r\n", &["a BAD"]),
        late("EXPUNGE with a set", "a EXPUNGE 1:*\r\n", &["a BAD"]),
        late("COPY to an empty name", "a COPY 1 \"\"\r\n", &["a NO"]),
        late("COPY without a name", "a COPY 1\r\n", &["a BAD"]),
    ]
}

fn flags() -> Vec<Row> {
    vec![
        late("STORE of no flag", "a STORE 1 +FLAGS (\\)\r\n", &["a BAD"]),
        late(
            "STORE of \\Recent",
            "a STORE 1 +FLAGS (\\Recent)\r\n",
            &["a BAD"],
        ),
        late(
            "STORE of a flag there is not",
            "a STORE 1 +FLAGS (\\Nonsense)\r\n",
            &["a BAD"],
        ),
        late("STORE of \\*", "a STORE 1 +FLAGS (\\*)\r\n", &["a BAD"]),
        late(
            "STORE of lists in lists",
            "a STORE 1 +FLAGS ((x))\r\n",
            &["a BAD"],
        ),
        late(
            "STORE of a quoted flag",
            "a STORE 1 +FLAGS (\"x\")\r\n",
            &["a BAD"],
        ),
        late(
            "STORE with both signs",
            "a STORE 1 +-FLAGS (x)\r\n",
            &["a "],
        ),
        late("STORE of nothing", "a STORE 1 FLAGS\r\n", &["a BAD"]),
        late(
            "STORE of a flag with a closing bracket",
            "a STORE 1 +FLAGS (x])\r\n",
            &["a BAD"],
        ),
        late(
            "STORE of a keyword of 100 KB",
            repeated("a STORE 1 +FLAGS (", "k", 100_000, ")\r\n"),
            &["a "],
        ),
        late(
            "STORE of ten thousand keywords",
            (0..10_000).fold(String::from("a STORE 1 +FLAGS (x"), |t, n| {
                t + " k" + &n.to_string()
            }) + ")\r\n",
            &["a BAD [LIMIT]"],
        ),
        late(
            "one keyword more than a mailbox has room for",
            (0..128).fold(String::from("a STORE 1 +FLAGS (x"), |t, n| {
                t + " k" + &n.to_string()
            }) + ")\r\n",
            &["a "],
        )
        .never("a OK"),
        late(
            "keywords one by one until there is no room",
            (0..129).fold(String::new(), |t, n| {
                t + "a STORE 1 +FLAGS.SILENT (k" + &n.to_string() + ")\r\n"
            }) + "b FETCH 1 FLAGS\r\n",
            &["a OK", "a NO [LIMIT]", "k127", "b OK"],
        )
        .never("k128"),
        late(
            "STORE of a flag sixty thousand times",
            repeated("a STORE 1 +FLAGS (x", " \\Seen", 60_000, ")\r\n"),
            &["a OK"],
        ),
    ]
}
