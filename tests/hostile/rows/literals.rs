//! Literals where they may be and where they may not.

use super::{Class, Row, early, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "A literal's octets are never commands, whatever became of the command it is in (RFC 9051 §4.3, RFC 7888 §4): mail could hold commands",
            rows: never_commands(),
        },
        Class {
            why: "A literal's size is digits, checked: numbers of 32 and 64 bits neither wrap nor saturate, and nothing is allocated for what is only announced",
            rows: announcements(),
        },
        Class {
            why: "A literal that is refused is not asked for, or swallowed to its last octet, or ends the connection (RFC 7888 §4, §5)",
            rows: refused(),
        },
        Class {
            why: "The budget is the command's, not each literal's, and work is linear in octets: many literals in one command",
            rows: many(),
        },
    ]
}

fn never_commands() -> Vec<Row> {
    vec![
        late(
            "a command in a literal is no command",
            "a SEARCH SUBJECT {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["c OK"],
        )
        .never("b OK"),
        late(
            "a command in a literal after an error",
            "a FETCH nonsense {10+}\r\nb LOGOUT\r\n x\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        early(
            "a literal after a command without arguments",
            "a NOOP {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        early(
            "a literal as a command's name",
            "a {4+}\r\nNOOP\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("a OK"),
        early(
            "a literal as a tag",
            "{1+}\r\nb NOOP\r\nc NOOP\r\n",
            &["* BAD", "c OK"],
        )
        .never("b OK"),
        early(
            "a literal after no tag",
            "* {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["* BAD", "c OK"],
        )
        .never("b OK"),
        early(
            "a literal in a command that is none",
            "a FROBNICATE x {8+}\r\nb NOOP\r\n y {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal as a set",
            "a FETCH {8+}\r\nb NOOP\r\n FLAGS\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal as a FETCH item",
            "a FETCH 1 {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal as a flag",
            "a STORE 1 +FLAGS ({8+}\r\nb NOOP\r\n)\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal as a date",
            "a SEARCH SINCE {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal as a number",
            "a SEARCH LARGER {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal as a STATUS item",
            "a STATUS INBOX ({8+}\r\nb NOOP\r\n)\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal as a section",
            "a FETCH 1 BODY[{8+}\r\nb NOOP\r\n]\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal as a capability",
            "a ENABLE {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal as a header's name, where one may be",
            "a FETCH 1 BODY.PEEK[HEADER.FIELDS ({7+}\r\nSubject)]\r\n",
            &["BODY[HEADER.FIELDS (Subject)]", "a OK"],
        ),
        late(
            "a literal of CR LF as a mailbox",
            "a STATUS {2+}\r\n\r\n (MESSAGES)\r\nc NOOP\r\n",
            &["a NO", "c OK"],
        ),
        late(
            "a literal that holds a literal's announcement",
            "a SEARCH SUBJECT {6+}\r\n{99+}\r\r\nc NOOP\r\n",
            &["a OK", "c OK"],
        ),
        late(
            "a literal8 where none may be",
            b"a SELECT ~{5+}\r\nIN\0OX\r\n",
            &["a BAD"],
        ),
        late(
            "a literal8 in SEARCH",
            b"a SEARCH SUBJECT ~{8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            &["a BAD", "c OK"],
        )
        .never("b OK"),
        late(
            "an announcement in quotes is none",
            "a SEARCH SUBJECT \"{9}\"\r\nb NOOP\r\n",
            &["a OK", "b OK"],
        )
        .never("+ "),
    ]
}

fn announcements() -> Vec<Row> {
    vec![
        early(
            "a literal with a number too large",
            "a LOGIN {99999999999999999999999} x\r\n",
            &["a BAD"],
        ),
        early(
            "a literal that is only announced",
            "a LOGIN {1000000000}\r\n",
            &["a BAD [TOOBIG]"],
        )
        .never("+ "),
        early(
            "a literal of 2^32",
            "a LOGIN {4294967296}\r\n",
            &["a BAD [TOOBIG]"],
        )
        .never("+ "),
        early(
            "a literal of 2^63",
            "a LOGIN {9223372036854775808}\r\n",
            &["a BAD"],
        )
        .never("+ "),
        early(
            "a literal of 2^64",
            "a LOGIN {18446744073709551616}\r\n",
            &["a BAD"],
        )
        .never("+ "),
        early(
            "a literal of 2^64 + 1, unasked",
            "a LOGIN {18446744073709551617+}\r\nb NOOP\r\n",
            &["a BAD [TOOBIG]", "* BYE"],
        )
        .never("b OK")
        .closes(),
        early(
            "a literal of 21 digits, unasked",
            "a LOGIN {000000000000000000001+}\r\nb NOOP\r\n",
            &["BAD [TOOBIG]", "* BYE"],
        )
        .never("b OK")
        .closes(),
        early("a literal without digits", "a LOGIN {} x\r\n", &["a BAD"]),
        early("a literal with a sign", "a LOGIN {-1} x\r\n", &["a BAD"]),
        early(
            "announcements that are none",
            "a NOOP {+}\r\nb NOOP { 1}\r\nc NOOP {1 }\r\n",
            &["a BAD", "b BAD", "c BAD", "* BYE"],
        )
        .never("+ ")
        .closes(),
        early(
            "more announcements that are none",
            "a NOOP {1++}\r\nb NOOP {0x1}\r\nc NOOP {1-}\r\n",
            &["a BAD", "b BAD", "c BAD", "* BYE"],
        )
        .never("+ ")
        .closes(),
        early(
            "announcements not at the end of a line",
            "a NOOP {1}x\r\nb LOGIN {1} x\r\nc OK\r\n",
            &["a BAD", "b BAD", "c BAD", "* BYE"],
        )
        .never("+ ")
        .closes(),
        early(
            "an announcement and LF",
            "a LOGIN {1}\nb NOOP\r\n",
            &["a BAD"],
        )
        .never("+ "),
        early(
            "an empty literal",
            "a LOGIN {0+}\r\n {0+}\r\n\r\n",
            &["a NO"],
        ),
        early(
            "a literal with leading zeros",
            "a LOGIN {000+}\r\n {0000000000000000000+}\r\n\r\n",
            &["a NO"],
        ),
        late(
            "literals that are waited for, all sent at once",
            "a SEARCH SUBJECT {1}\r\nx SUBJECT {1}\r\ny\r\nb NOOP\r\n",
            &["+ ", "+ ", "a OK", "b OK"],
        ),
    ]
}

fn refused() -> Vec<Row> {
    vec![
        early(
            "a literal of 4096 unasked, swallowed",
            [
                b"a NOSUCH {4096+}\r\n".as_slice(),
                &b"b NOOP\r\n".repeat(512),
                b"\r\n",
            ]
            .concat(),
            &["a BAD"],
        )
        .never("b OK"),
        early(
            "a literal of 4097 unasked before login",
            [
                b"a NOSUCH {4097+}\r\n".as_slice(),
                &b"b NOOP\r\n".repeat(512),
                b"x\r\n",
            ]
            .concat(),
            &["a BAD [TOOBIG]", "* BYE"],
        )
        .never("b OK")
        .closes(),
        early(
            "a literal of 24 KiB unasked before login",
            "a LOGIN {30000+}\r\n",
            &["a BAD [TOOBIG]", "* BYE"],
        )
        .closes(),
        early(
            "a literal that is refused is not asked for",
            "a LOGIN {30000}\r\nb NOOP\r\n",
            &["a BAD [TOOBIG]", "b OK"],
        )
        .never("+ "),
        early(
            "literals of 4096 until the command is full",
            [
                b"a LOGIN".as_slice(),
                &[b" {4096+}\r\n".as_slice(), &b"b NOOP\r\n".repeat(512)]
                    .concat()
                    .repeat(8),
                b"\r\nc NOOP\r\n",
            ]
            .concat(),
            &["a BAD [TOOBIG]", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal of 1 MB unasked, swallowed",
            [
                b"a SEARCH SUBJECT {1048576+}\r\n".as_slice(),
                &b"b NOOP\r\n".repeat(1 << 17),
                b"\r\nc NOOP\r\n",
            ]
            .concat(),
            &["a BAD [TOOBIG]", "c OK"],
        )
        .never("b OK"),
        late(
            "a literal of 1 MB is not asked for",
            "a SEARCH SUBJECT {1048576}\r\nb NOOP\r\n",
            &["a BAD [TOOBIG]", "b OK"],
        )
        .never("+ "),
        late(
            "a literal larger than any message, unasked",
            "a SEARCH SUBJECT {268435457+}\r\n",
            &["a BAD [TOOBIG]", "* BYE"],
        )
        .closes(),
        late(
            "a line too long that ends in a literal",
            repeated(
                "a SEARCH ",
                "x",
                1 << 20,
                " {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
            ),
            &["a BAD [TOOBIG]", "c OK"],
        )
        .never("b OK"),
        late(
            "a line too long that ends in a literal waited for",
            repeated("a SEARCH ", "x", 1 << 20, " {8}\r\nb NOOP\r\n"),
            &["a BAD [TOOBIG]", "b OK"],
        )
        .never("+ "),
    ]
}

fn many() -> Vec<Row> {
    vec![
        late(
            "ten thousand literals",
            repeated("a SEARCH", " SUBJECT {1+}\r\nx", 10_000, "\r\n"),
            &["a BAD [LIMIT]"],
        ),
        late(
            "a hundred thousand literals of a megabyte and a half",
            repeated("a SEARCH", " OR SUBJECT {1+}\r\nx ALL", 100_000, "\r\n"),
            &["a BAD"],
        ),
        late(
            "two hundred thousand empty literals",
            repeated("a NOOP", " {0+}\r\n", 200_000, "\r\nb NOOP\r\n"),
            &["a BAD", "b OK"],
        ),
        early(
            "a thousand literals before login",
            repeated("a LOGIN", " {1+}\r\nx", 1_000, "\r\nb NOOP\r\n"),
            &["a BAD", "b OK"],
        ),
        early(
            "literals without end before login",
            repeated("a LOGIN", " {1+}\r\nx", 1_200_000, "\r\nb NOOP\r\n"),
            &["a BAD [TOOBIG]", "* BYE"],
        )
        .never("b OK")
        .closes(),
        early(
            "large literals without end before login",
            repeated(
                "a LOGIN",
                &format!(" {{4096+}}\r\n{}", "x".repeat(4096)),
                2_100,
                "\r\nb NOOP\r\n",
            ),
            &["a BAD [TOOBIG]", "* BYE"],
        )
        .never("b OK")
        .closes(),
    ]
}
