//! APPEND: what comes before a message, and what a message may be.

use super::{Class, Row, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "An APPEND that fails before, in or after its literal is answered once, and the stream stays in step",
            rows: arguments(),
        },
        Class {
            why: "The store decides before a message is asked for; what is too much is not asked for, or ends the connection (RFC 7889, RFC 7888 §4)",
            rows: sizes(),
        },
        Class {
            why: "Several messages are stored or none (RFC 3502 §3), and their number is bounded",
            rows: several(),
        },
        Class {
            why: "What is stored is what came: NUL only in literal8 (RFC 3516 §4), anything else octet for octet",
            rows: contents(),
        },
    ]
}

fn arguments() -> Vec<Row> {
    vec![
        late("APPEND without a literal", "a APPEND INBOX\r\n", &["a BAD"]),
        late(
            "APPEND of a quoted string",
            "a APPEND INBOX \"x\"\r\n",
            &["a BAD"],
        ),
        late(
            "APPEND without a mailbox",
            "a APPEND {3+}\r\nabc\r\n",
            &["a BAD"],
        ),
        late(
            "APPEND with a mailbox as a literal",
            "a APPEND {5+}\r\nINBOX {3+}\r\nabc\r\n",
            &["a OK"],
        ),
        late(
            "APPEND with flags unclosed",
            "a APPEND INBOX (\\Seen {8+}\r\nb NOOP\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        late(
            "APPEND with a flag as a literal",
            "a APPEND INBOX ({4+}\r\nSeen) {8+}\r\nb NOOP\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        late(
            "APPEND with \\Recent",
            "a APPEND INBOX (\\Recent) {8+}\r\nb NOOP\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        late(
            "APPEND with a date that is none",
            "a APPEND INBOX \"32-Foo-2024 99:99:99 +0000\" {8+}\r\nb NOOP\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        late(
            "APPEND with the 31st of February",
            "a APPEND INBOX \"31-Feb-2024 10:00:00 +0000\" {8+}\r\nb NOOP\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        late(
            "APPEND with a zone too far",
            "a APPEND INBOX \" 1-Feb-2024 10:00:00 +9999\" {8+}\r\nb NOOP\r\n\r\n",
            &["a "],
        )
        .never("b OK"),
        late(
            "APPEND with a leap second",
            "a APPEND INBOX \" 1-Jan-2017 23:59:60 +0000\" {3+}\r\nabc\r\n",
            &["a "],
        ),
        late(
            "APPEND with the first and the last date",
            "a APPEND INBOX \" 1-Jan-0001 00:00:00 +1400\" {3+}\r\nabc\r\nb APPEND INBOX \"31-Dec-9999 23:59:59 -1200\" {3+}\r\nabc\r\nc UID FETCH 3:* INTERNALDATE\r\n",
            &["a ", "b ", "c OK"],
        ),
        late(
            "APPEND with more after the message",
            "a APPEND INBOX {3+}\r\nabc x\r\nb NOOP\r\nc STATUS INBOX (MESSAGES)\r\n",
            &["a BAD", "b OK", "(MESSAGES 2)", "c OK"],
        ),
        late(
            "APPEND with an extension there is not",
            "a APPEND INBOX CATENATE (TEXT {8+}\r\nb NOOP\r\n)\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "APPEND with ten thousand keywords",
            repeated(
                "a APPEND INBOX (x",
                " k",
                10_000,
                ") {8+}\r\nb NOOP\r\n\r\n",
            ),
            &["a "],
        )
        .never("b OK"),
        late(
            "APPEND in UTF8 form",
            "a APPEND INBOX UTF8 (~{8+}\r\nb NOOP\r\n)\r\nc NOOP\r\n",
            &["a ", "c OK"],
        )
        .never("b OK"),
    ]
}

fn sizes() -> Vec<Row> {
    vec![
        late(
            "APPEND of nothing",
            "a APPEND INBOX {0+}\r\n\r\n",
            &["a NO"],
        ),
        late(
            "APPEND of more than there may be",
            "a APPEND INBOX {268435457}\r\n",
            &["a NO [TOOBIG]"],
        )
        .never("+ "),
        late(
            "APPEND of more than there may be, unasked",
            "a APPEND INBOX {268435457+}\r\n",
            &["a NO [TOOBIG]", "* BYE"],
        )
        .closes(),
        late(
            "APPEND of 2^32 + 1",
            "a APPEND INBOX {4294967297}\r\n",
            &["a NO [TOOBIG]"],
        )
        .never("+ "),
        late(
            "APPEND of 2^63 - 1",
            "a APPEND INBOX {9223372036854775807}\r\n",
            &["a NO [TOOBIG]"],
        )
        .never("+ "),
        late(
            "APPEND of 2^64 + 1, unasked",
            "a APPEND INBOX {18446744073709551617+}\r\nb NOOP\r\n",
            &["a ", "* BYE"],
        )
        .never("b OK")
        .closes(),
        late(
            "APPEND to nowhere, asked",
            "a APPEND Nowhere {9}\r\n",
            &["a NO [TRYCREATE]"],
        )
        .never("+ "),
        late(
            "APPEND to nowhere, unasked",
            "a APPEND Nowhere {10+}\r\nb LOGOUT\r\n\r\n",
            &["a NO [TRYCREATE]"],
        )
        .never("b OK"),
        late(
            "APPEND to a name that cannot be",
            "a APPEND \"x&y\" {10+}\r\nb LOGOUT\r\n\r\n",
            &["a NO [CANNOT]"],
        )
        .never("b OK"),
    ]
}

fn several() -> Vec<Row> {
    vec![
        late(
            "MULTIAPPEND whose second is bad",
            "a APPEND INBOX {3+}\r\nabc (\\Bad) \"nonsense\" {8+}\r\nb NOOP\r\n\r\nc STATUS INBOX (MESSAGES)\r\n",
            &["a BAD", "(MESSAGES 2)", "c OK"],
        )
        .never("b OK"),
        late(
            "MULTIAPPEND whose second is too large",
            "a APPEND INBOX {3+}\r\nabc {268435457}\r\nc STATUS INBOX (MESSAGES)\r\n",
            &["a NO [TOOBIG]", "(MESSAGES 2)", "c OK"],
        ),
        late(
            "MULTIAPPEND whose second is empty",
            "a APPEND INBOX {3+}\r\nabc {0+}\r\n\r\nc STATUS INBOX (MESSAGES)\r\n",
            &["a NO", "(MESSAGES 2)", "c OK"],
        ),
        late(
            "MULTIAPPEND whose second has NUL",
            b"a APPEND INBOX {3+}\r\nabc {3+}\r\na\0c {3+}\r\nabc\r\nc STATUS INBOX (MESSAGES)\r\n",
            &["a NO", "(MESSAGES 2)", "c OK"],
        ),
        late(
            "APPEND of two thousand messages",
            repeated("a APPEND INBOX", " {1+}\r\nx", 2000, "\r\nb STATUS INBOX (MESSAGES)\r\n"),
            &["a NO [LIMIT]", "(MESSAGES 2)", "b OK"],
        ),
        late(
            "MULTIAPPEND without the space between",
            "a APPEND INBOX {3+}\r\nabc{8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
    ]
}

fn contents() -> Vec<Row> {
    vec![
        late(
            "APPEND with NUL",
            b"a APPEND INBOX {5+}\r\nab\0cd\r\n",
            &["a NO"],
        ),
        late(
            "APPEND with NUL in a literal8",
            b"a APPEND INBOX ~{5+}\r\nab\0cd\r\n",
            &["a NO [UNKNOWN-CTE]"],
        ),
        late(
            "APPEND of line ends of all kinds",
            "a APPEND INBOX {10+}\r\n\r\n\n\r\r\n\n\n\r\r\r\nb UID FETCH 3 BODY.PEEK[]\r\n",
            &["a OK", "BODY[] {10}\r\n\r\n\n\r\r\n\n\n\r\r", "b OK"],
        ),
        late(
            "APPEND of one octet",
            b"a APPEND INBOX {1+}\r\n\xff\r\nb UID FETCH 3 (BODY.PEEK[] ENVELOPE BODYSTRUCTURE)\r\n",
            &["a OK", "BODY[] {1}\r\n", "b OK"],
        ),
        late(
            "APPEND of what reads as answers",
            "a APPEND INBOX {19+}\r\n* BYE x\r\na NO OK\r\nb\r\nb UID FETCH 3 BODY.PEEK[]\r\n",
            &["a OK", "BODY[] {19}\r\n* BYE x\r\na NO OK\r\nb)", "b OK"],
        ),
    ]
}
