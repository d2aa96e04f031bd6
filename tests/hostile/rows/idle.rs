//! IDLE and its DONE.

use super::{Class, Row, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![Class {
        why: "DONE is seen wherever it is cut and whatever comes with it, and only DONE ends IDLE well (RFC 2177 §3)",
        rows: rows(),
    }]
}

fn rows() -> Vec<Row> {
    vec![
        late(
            "IDLE that ends in nonsense",
            "a IDLE\r\nb NOOP\r\n",
            &["+ ", "a BAD"],
        )
        .never("b OK"),
        late(
            "IDLE, DONE and more in one packet, many times",
            repeated("", "a IDLE\r\nDONE\r\nb NOOP\r\n", 500, ""),
            &["a OK", "b OK"],
        ),
        late(
            "DONE in small letters",
            "a IDLE\r\ndone\r\n",
            &["+ ", "a OK"],
        ),
        late("DONE and a space", "a IDLE\r\nDONE \r\n", &["+ ", "a "]),
        late("DONE with a tag", "a IDLE\r\nb DONE\r\n", &["+ ", "a BAD"]),
        late(
            "DONE and LF",
            "a IDLE\r\nDONE\nb NOOP\r\n",
            &["+ ", "a BAD"],
        )
        .never("b OK"),
        late("DONE and NUL", b"a IDLE\r\nDONE\0\r\n", &["+ ", "a BAD"]),
        late("DONE without IDLE", "DONE\r\n", &["DONE BAD"]),
        late(
            "DONE twice",
            "a IDLE\r\nDONE\r\nDONE\r\n",
            &["+ ", "a OK", "DONE BAD"],
        ),
        late("an empty line in IDLE", "a IDLE\r\n\r\n", &["+ ", "a BAD"]),
        late("IDLE in IDLE", "a IDLE\r\nb IDLE\r\n", &["+ ", "a BAD"]).never("b "),
        late("IDLE with an argument", "a IDLE x\r\n", &["a BAD"]).never("+ "),
        late(
            "a literal in IDLE is a line",
            "a IDLE\r\n{8+}\r\nb NOOP\r\n",
            &["+ ", "a BAD", "b OK"],
        ),
        late(
            "a line of 2 MB in IDLE",
            repeated("a IDLE\r\n", "x", 2 << 20, "\r\nb NOOP\r\n"),
            &["+ ", "a BAD [TOOBIG]", "b OK"],
        ),
        late(
            "an endless line in IDLE",
            repeated("a IDLE\r\n", "x", 10 << 20, ""),
            &["+ ", "a BAD [TOOBIG]", "* BYE"],
        )
        .closes(),
        late(
            "IDLE and LOGOUT in one packet",
            "a IDLE\r\nDONE\r\nb LOGOUT\r\nc NOOP\r\n",
            &["a OK", "* BYE", "b OK"],
        )
        .never("c OK")
        .closes(),
    ]
}
