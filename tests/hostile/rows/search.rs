//! SEARCH: nesting, texts, dates, numbers.

use super::{Class, Row, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "Nested keys are counted alike, parentheses, NOT and OR, and live on no stack of the machine, in parsing, work and drop",
            rows: nesting(),
        },
        Class {
            why: "Keys and their arguments are those of the grammar (RFC 9051 §9 search-key); what looks through mail is bounded",
            rows: keys(),
        },
        Class {
            why: "Texts come in charsets (RFC 9051 §6.4.4): decoders are total, and an answer never repeats what cannot be quoted",
            rows: charsets(),
        },
    ]
}

fn nested(depth: usize) -> String {
    repeated("a SEARCH ", "(", depth, "ALL") + &")".repeat(depth) + "\r\n"
}

fn nesting() -> Vec<Row> {
    vec![
        late(
            "SEARCH nested to the limit in parentheses",
            nested(500),
            &["a OK"],
        ),
        late(
            "SEARCH nested beyond the limit in parentheses",
            nested(501),
            &["a BAD [LIMIT]"],
        ),
        late(
            "SEARCH of NOT to the limit",
            repeated("a SEARCH ", "NOT ", 500, "ALL\r\n"),
            &["a OK"],
        ),
        late(
            "SEARCH of NOT beyond the limit",
            repeated("a SEARCH ", "NOT ", 501, "ALL\r\n"),
            &["a BAD [LIMIT]"],
        ),
        late(
            "SEARCH of OR to the limit",
            repeated("a SEARCH ", "OR ALL ", 500, "ALL\r\n"),
            &["a OK"],
        ),
        late(
            "SEARCH of OR beyond the limit",
            repeated("a SEARCH ", "OR ALL ", 501, "ALL\r\n"),
            &["a BAD [LIMIT]"],
        ),
        late(
            "SEARCH of OR on the left beyond the limit",
            repeated("a SEARCH ", "OR ", 501, "ALL") + &" ALL".repeat(501) + "\r\n",
            &["a BAD [LIMIT]"],
        ),
        late(
            "SEARCH of NOT and parentheses in turn beyond the limit",
            repeated("a SEARCH ", "NOT (", 251, "ALL") + &")".repeat(251) + "\r\n",
            &["a BAD [LIMIT]"],
        ),
        late(
            "SEARCH NOT NOT NOT …",
            repeated("a SEARCH ", "NOT ", 100_000, "ALL\r\n"),
            &["a BAD"],
        ),
        late(
            "SEARCH OR OR OR …",
            repeated("a SEARCH ", "OR ALL ", 60_000, "ALL\r\n"),
            &["a BAD"],
        ),
        late(
            "SEARCH (((… without an end",
            repeated("a SEARCH ", "(", 500_000, "\r\n"),
            &["a BAD"],
        ),
        late("SEARCH of an empty list", "a SEARCH ()\r\n", &["a BAD"]),
        late("SEARCH of too many ends", "a SEARCH (ALL))\r\n", &["a BAD"]),
        late("SEARCH of NOT alone", "a SEARCH NOT\r\n", &["a BAD"]),
        late(
            "SEARCH of OR with one key",
            "a SEARCH OR ALL\r\n",
            &["a BAD"],
        ),
    ]
}

fn keys() -> Vec<Row> {
    vec![
        late("SEARCH of nothing", "a SEARCH\r\n", &["a BAD"]),
        late(
            "SEARCH of a key there is not",
            "a SEARCH FUZZY ALL\r\n",
            &["a BAD"],
        ),
        late("SEARCH of a set with zero", "a SEARCH 0\r\n", &["a BAD"]),
        late("SEARCH of UIDs with zero", "a SEARCH UID 0\r\n", &["a BAD"]),
        late(
            "SEARCH of a number beyond the mailbox",
            "a SEARCH 4294967295\r\n",
            &["a "],
        ),
        late(
            "SEARCH of a date that is none",
            "a SEARCH SINCE 99-Foo-2024\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH of the 30th of February",
            "a SEARCH SINCE 30-Feb-2024\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH of the year zero and the last",
            "a SEARCH SINCE 1-Jan-0000 BEFORE 31-Dec-9999\r\n",
            &["a "],
        ),
        late(
            "SEARCH of a year of five digits",
            "a SEARCH SINCE 1-Jan-10000\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH of the largest size",
            "a SEARCH LARGER 9223372036854775807\r\n",
            &["a OK"],
        ),
        late(
            "SEARCH of a size of 2^63",
            "a SEARCH LARGER 9223372036854775808\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH of a size too large",
            "a SEARCH LARGER 99999999999999999999\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH of a modseq too large",
            "a SEARCH MODSEQ 9223372036854775808\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH of the largest modseq",
            "a SEARCH MODSEQ 9223372036854775807\r\n",
            &["a OK"],
        ),
        late(
            "SEARCH of a modseq's entry that is none",
            "a SEARCH MODSEQ \"/flags/\\\\draft\" none 1\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH of an identity that is none of ours",
            "a SEARCH EMAILID M99999999999999999999999999\r\n",
            &["a OK"],
        ),
        late(
            "SEARCH of a hundred and one bodies",
            repeated("a SEARCH", " BODY x", 101, "\r\n"),
            &["a BAD [LIMIT]"],
        ),
        late(
            "SEARCH of a hundred bodies",
            repeated("a SEARCH", " BODY x", 100, "\r\n"),
            &["a OK"],
        ),
        late(
            "SEARCH of too many keys",
            repeated("a SEARCH ALL", " SEEN", 10_000, "\r\n"),
            &["a BAD [LIMIT]"],
        ),
        late(
            "SEARCH for a text of 200 KB",
            repeated("a SEARCH BODY \"", "x", 200_000, "\"\r\n"),
            &["a OK"],
        ),
        late(
            "SEARCH for a text of 500 KB",
            repeated("a SEARCH BODY \"", "x", 500_000, "\"\r\n"),
            &["a BAD [LIMIT]"],
        ),
        late(
            "SEARCH RETURN of nothing there is",
            "a SEARCH RETURN (PARTIAL 1:2) ALL\r\n",
            &["a BAD"],
        ),
        late(
            "SEARCH RETURN of everything many times",
            repeated(
                "a SEARCH RETURN (MIN",
                " MAX COUNT ALL SAVE MIN",
                10_000,
                ") ALL\r\n",
            ),
            &["* ESEARCH", "a OK"],
        ),
    ]
}

fn charsets() -> Vec<Row> {
    vec![
        late(
            "SEARCH of a charset that is none",
            "a SEARCH CHARSET X-NONE SUBJECT x\r\n",
            &["a NO [BADCHARSET"],
        ),
        late(
            "SEARCH of a charset with a line end",
            "a SEARCH CHARSET {6+}\r\nx\r\n* x SUBJECT x\r\n",
            &["a NO [BADCHARSET"],
        ),
        late(
            "SEARCH of a charset of 100 KB",
            repeated("a SEARCH CHARSET ", "x", 100_000, " ALL\r\n"),
            &["a NO [BADCHARSET"],
        ),
        late(
            "SEARCH of invalid octets in a charset",
            b"a SEARCH CHARSET UTF-8 SUBJECT {2+}\r\n\xff\xfe\r\n",
            &["a "],
        ),
        late(
            "SEARCH of half a character",
            b"a SEARCH CHARSET UTF-8 SUBJECT {2+}\r\n\xe2\x82\r\n",
            &["a "],
        ),
        late(
            "SEARCH of half an escape sequence",
            b"a SEARCH CHARSET ISO-2022-JP SUBJECT {4+}\r\n\x1b$B\x1b\r\n",
            &["a "],
        ),
        late(
            "SEARCH of UTF-7, which hides letters",
            "a SEARCH CHARSET UTF-7 SUBJECT +AGE-\r\n",
            &["a NO [BADCHARSET"],
        ),
        late(
            "SEARCH of 100,000 combining marks",
            repeated(
                "a SEARCH SUBJECT {200001+}\r\na",
                "\u{301}",
                100_000,
                "\r\n",
            ),
            &["a "],
        ),
        late(
            "SEARCH of a header without a name",
            "a SEARCH HEADER \"\" \"\"\r\n",
            &["a "],
        ),
        late(
            "SEARCH of a header with a colon",
            "a SEARCH HEADER \"a:b\" x\r\n",
            &["a OK"],
        ),
        late(
            "SEARCH of an empty text",
            "a SEARCH SUBJECT \"\" BODY \"\"\r\n",
            &["a OK"],
        ),
    ]
}
