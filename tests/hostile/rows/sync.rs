//! CONDSTORE and QRESYNC.

use super::{Class, Row, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "The parameters of QRESYNC are exactly RFC 7162 §7: servers fell over a list without its numbers",
            rows: qresync(),
        },
        Class {
            why: "Modification sequences have 63 bits (RFC 7162 §7); the conditions of STORE and FETCH are exact",
            rows: condstore(),
        },
    ]
}

fn qresync() -> Vec<Row> {
    vec![
        late(
            "SELECT with an empty QRESYNC",
            "a SELECT INBOX (QRESYNC)\r\n",
            &["a BAD"],
        ),
        late(
            "SELECT with QRESYNC not enabled",
            "a SELECT INBOX (QRESYNC (1 1))\r\n",
            &["a BAD"],
        ),
        late(
            "QRESYNC with zeros",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (0 0))\r\n",
            &["e OK", "a BAD"],
        ),
        late(
            "QRESYNC with one number",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (1))\r\n",
            &["e OK", "a BAD"],
        ),
        late(
            "QRESYNC with a UIDVALIDITY of 2^32",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (4294967296 1))\r\n",
            &["e OK", "a BAD"],
        ),
        late(
            "QRESYNC with a modseq of 2^63",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (1 9223372036854775808))\r\n",
            &["e OK", "a BAD"],
        ),
        late(
            "QRESYNC of another UIDVALIDITY",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (1 9223372036854775807 1:4294967295))\r\n",
            &["e OK", "a OK"],
        )
        .never("VANISHED"),
        late(
            "QRESYNC with a star",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (1 1 1:*))\r\n",
            &["e OK", "a BAD"],
        ),
        late(
            "QRESYNC with a saved set",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (1 1 $))\r\n",
            &["e OK", "a BAD"],
        ),
        late(
            "QRESYNC with half a match",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (1 1 1:2 (1:2)))\r\n",
            &["e OK", "a BAD"],
        ),
        late(
            "QRESYNC with a match of everything there could be",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (1 1 1:4294967295 (1:4294967295 1:4294967295)))\r\n",
            &["e OK", "a OK"],
        ),
        late(
            "QRESYNC of twenty thousand ranges",
            repeated(
                "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (1 1 1",
                ",3:7,9",
                20_000,
                "))\r\n",
            ),
            &["e OK", "a OK"],
        ),
        late(
            "QRESYNC twice",
            "e ENABLE QRESYNC\r\na SELECT INBOX (QRESYNC (1 1) QRESYNC (1 1))\r\n",
            &["e OK", "a "],
        ),
        late(
            "VANISHED without QRESYNC",
            "a UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)\r\n",
            &["a BAD"],
        ),
        late(
            "VANISHED without UIDs",
            "e ENABLE QRESYNC\r\na FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)\r\n",
            &["e OK", "a BAD"],
        ),
        late(
            "VANISHED of everything there could be",
            "e ENABLE QRESYNC\r\na UID FETCH 1:4294967295 FLAGS (CHANGEDSINCE 1 VANISHED)\r\n",
            &["e OK", "a OK"],
        ),
        late(
            "SELECT with a parameter there is not",
            "a SELECT INBOX (X)\r\n",
            &["a BAD"],
        ),
        late(
            "SELECT with no parameters",
            "a SELECT INBOX ()\r\n",
            &["a BAD"],
        ),
    ]
}

fn condstore() -> Vec<Row> {
    vec![
        late(
            "UNCHANGEDSINCE with nothing",
            "a STORE 1 (UNCHANGEDSINCE) FLAGS ()\r\n",
            &["a BAD"],
        ),
        late(
            "UNCHANGEDSINCE of zero",
            "a STORE 1:* (UNCHANGEDSINCE 0) FLAGS (\\Seen)\r\n",
            &["a OK [MODIFIED 1:2]"],
        ),
        late(
            "UNCHANGEDSINCE of the largest",
            "a STORE 1 (UNCHANGEDSINCE 9223372036854775807) +FLAGS (\\Seen)\r\n",
            &["a OK"],
        ),
        late(
            "UNCHANGEDSINCE of 2^64",
            "a STORE 1 (UNCHANGEDSINCE 18446744073709551616) FLAGS ()\r\n",
            &["a BAD"],
        ),
        late(
            "UNCHANGEDSINCE of a message many times",
            repeated(
                "a STORE 1",
                ",1:2",
                10_000,
                " (UNCHANGEDSINCE 0) +FLAGS (\\Seen)\r\n",
            ),
            &["a OK [MODIFIED 1:2]"],
        ),
        late(
            "CHANGEDSINCE of 2^63",
            "a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)\r\n",
            &["a BAD"],
        ),
        late(
            "CHANGEDSINCE of the largest",
            "a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775807)\r\n",
            &["a OK"],
        )
        .never("FETCH ("),
        late(
            "CHANGEDSINCE of a negative number",
            "a FETCH 1 FLAGS (CHANGEDSINCE -1)\r\n",
            &["a BAD"],
        ),
        late(
            "ENABLE of ten thousand names",
            repeated("a ENABLE X", " CONDSTORE", 10_000, "\r\n"),
            &["* ENABLED CONDSTORE\r\n", "a OK"],
        ),
        late("ENABLE of nothing", "a ENABLE\r\n", &["a BAD"]),
        late("ENABLE of a list", "a ENABLE (CONDSTORE)\r\n", &["a BAD"]),
    ]
}
