//! Signing in: SASL messages, names and passwords.

use super::{Class, Place, Row, early, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "A SASL message is base64 in its one form (RFC 4648 §4), and what is not ends that exchange alone",
            rows: base64(),
        },
        Class {
            why: "Empty, truncated and overlong messages of a mechanism are refused, an empty identity too (RFC 4616 §2)",
            rows: plain(),
        },
        Class {
            why: "A name is data: no template, query, path or filter is made of it",
            rows: names(),
        },
        Class {
            why: "Each state has its commands (RFC 9051 §6), and guessing ends the connection",
            rows: states(),
        },
        Class {
            why: "ID has the bounds of RFC 2971 §3.3, and is no way around those before login",
            rows: id(),
        },
    ]
}

fn base64() -> Vec<Row> {
    vec![
        early(
            "AUTHENTICATE with no base64",
            "a AUTHENTICATE PLAIN\r\n!!!!\r\n",
            &["a BAD"],
        ),
        early(
            "AUTHENTICATE with =",
            "a AUTHENTICATE PLAIN =\r\n",
            &["a NO"],
        ),
        early(
            "base64 without its padding",
            "a AUTHENTICATE PLAIN AHUAcHc\r\n",
            &["a BAD"],
        ),
        early(
            "base64 with padding in the middle",
            "a AUTHENTICATE PLAIN AA==AHB3\r\n",
            &["a BAD"],
        ),
        early(
            "base64 of padding alone",
            "a AUTHENTICATE PLAIN ====\r\n",
            &["a BAD"],
        ),
        early(
            "base64 whose last bits are not zero",
            "a AUTHENTICATE PLAIN AHUAcHd=\r\n",
            &["a BAD"],
        ),
        early(
            "base64 for file names",
            "a AUTHENTICATE PLAIN\r\nAHVz_-Bw\r\n",
            &["a BAD"],
        ),
        early(
            "base64 after a space",
            "a AUTHENTICATE PLAIN\r\n AHUAcHc=\r\n",
            &["a BAD"],
        ),
        early(
            "base64 with an LF in it",
            "a AUTHENTICATE PLAIN\r\nAHUA\ncHc=\r\n",
            &["a BAD"],
        ),
        early(
            "base64 in quotes",
            "a AUTHENTICATE PLAIN \"AHUAcHc=\"\r\n",
            &["a BAD"],
        ),
        early(
            "NUL in a response",
            b"a AUTHENTICATE PLAIN\r\nAHUA\0cHc=\r\n",
            &["a BAD"],
        ),
        early(
            "a literal as a response",
            "a AUTHENTICATE PLAIN\r\n{8+}\r\n",
            &["a BAD"],
        ),
    ]
}

fn plain() -> Vec<Row> {
    vec![
        early(
            "AUTHENTICATE cancelled",
            "a AUTHENTICATE PLAIN\r\n*\r\n",
            &["+ ", "a BAD"],
        ),
        early(
            "a star and more",
            "a AUTHENTICATE PLAIN\r\n* \r\n",
            &["+ ", "a BAD"],
        ),
        early(
            "AUTHENTICATE with an empty response",
            "a AUTHENTICATE PLAIN\r\n\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE with NULs only",
            "a AUTHENTICATE PLAIN AAAAAAAA\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE with two NULs only",
            "a AUTHENTICATE PLAIN AAA=\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE without a password",
            "a AUTHENTICATE PLAIN AHRpbQA=\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE with a name alone",
            "a AUTHENTICATE PLAIN dGlt\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE with invalid UTF-8",
            "a AUTHENTICATE PLAIN AP//AHB3\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE for another user",
            "a AUTHENTICATE PLAIN YWRtaW4AdGltAHB3\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE with a fourth part",
            "a AUTHENTICATE PLAIN AHRpbQBwdwBhZG1pbg==\r\n",
            &["a NO"],
        ),
        early(
            "a SASL response too long",
            repeated("a AUTHENTICATE PLAIN\r\n", "A", 20_000, "\r\n"),
            &["a BAD [TOOBIG]"],
        ),
        early(
            "an initial response too long",
            repeated("a AUTHENTICATE PLAIN ", "A", 20_000, "\r\n"),
            &["a BAD [TOOBIG]"],
        ),
        early(
            "a SASL response longer than any line",
            repeated("a AUTHENTICATE PLAIN\r\n", "A", 100_000, "\r\n"),
            &["a BAD [TOOBIG]"],
        ),
        early(
            "AUTHENTICATE with an unknown mechanism",
            "a AUTHENTICATE X-NONE\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE EXTERNAL with an empty identity",
            "a AUTHENTICATE EXTERNAL =\r\n",
            &["a NO"],
        ),
        early(
            "AUTHENTICATE ANONYMOUS",
            "a AUTHENTICATE ANONYMOUS dGlt\r\n",
            &["a NO"],
        ),
        early(
            "a mechanism of 20,000 letters",
            repeated("a AUTHENTICATE ", "X", 20_000, "\r\n"),
            &["a NO"],
        ),
        early(
            "AUTHENTICATE without a mechanism",
            "a AUTHENTICATE\r\n",
            &["a BAD"],
        ),
        early(
            "AUTHENTICATE with two responses",
            "a AUTHENTICATE PLAIN AAAA AAAA\r\n",
            &["a BAD"],
        ),
        early(
            "a command instead of a response",
            "a AUTHENTICATE PLAIN\r\nb NOOP\r\n",
            &["+ ", "a BAD"],
        )
        .never("b OK"),
    ]
}

fn names() -> Vec<Row> {
    vec![
        early(
            "LOGIN with an empty name",
            "a LOGIN \"\" \"\"\r\n",
            &["a NO"],
        ),
        early(
            "LOGIN with invalid UTF-8",
            b"a LOGIN {2+}\r\n\xff\xfe x\r\n",
            &["a NO"],
        ),
        early(
            "LOGIN with a wrong password",
            "a LOGIN tim no\r\n",
            &["a NO [AUTHENTICATIONFAILED]"],
        )
        .only(Place::Core),
        early(
            "a name of a query",
            "a LOGIN \"' OR 1=1--\" x\r\n",
            &["a NO [AUTHENTICATIONFAILED]"],
        )
        .only(Place::Core),
        early("a name of a template", "a LOGIN \"%{x}\" x\r\n", &["a NO"]).only(Place::Core),
        early(
            "a name of a filter",
            "a LOGIN \"*)(uid=*\" x\r\n",
            &["a NO"],
        )
        .only(Place::Core),
        early(
            "a name of a path",
            "a LOGIN \"../../etc/passwd\" x\r\n",
            &["a NO"],
        )
        .only(Place::Core),
        early(
            "a name of control characters",
            "a LOGIN {8+}\r\nu\r\n\u{1b}[2J\t x\r\n",
            &["a NO"],
        )
        .only(Place::Core),
        early(
            "a name of 20,000 letters",
            repeated("a LOGIN ", "u", 20_000, " x\r\n"),
            &["a NO"],
        )
        .only(Place::Core),
        early("LOGIN without arguments", "a LOGIN\r\n", &["a BAD"]),
        early("LOGIN with one argument", "a LOGIN user\r\n", &["a BAD"]),
        early(
            "LOGIN with three arguments",
            "a LOGIN u p x\r\n",
            &["a BAD"],
        ),
        early(
            "LOGIN with NIL in parentheses",
            "a LOGIN () ()\r\n",
            &["a BAD"],
        ),
    ]
}

fn states() -> Vec<Row> {
    vec![
        early("a command before login", "a SELECT INBOX\r\n", &["a BAD"]),
        early("FETCH before login", "a FETCH 1 BODY[]\r\n", &["a BAD"]),
        early("IDLE before login", "a IDLE\r\n", &["a BAD"]).never("+ "),
        early("ENABLE before login", "a ENABLE CONDSTORE\r\n", &["a BAD"]),
        early(
            "LOGOUT before login",
            "a LOGOUT\r\nb NOOP\r\n",
            &["* BYE", "a OK"],
        )
        .never("b OK")
        .closes(),
        early(
            "APPEND before login",
            "a APPEND INBOX {7+}\r\nb NOOP\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        early(
            "APPEND before login, asked",
            "a APPEND INBOX {7}\r\nb NOOP\r\n",
            &["a BAD", "b OK"],
        )
        .never("+ "),
        early(
            "three bad commands",
            "a X\r\nb X\r\nc X\r\nd NOOP\r\n",
            &["a BAD", "b BAD", "c BAD", "* BYE"],
        )
        .never("d OK")
        .closes(),
        early(
            "three failed logins",
            "a LOGIN \"\" x\r\nb LOGIN \"\" x\r\nc LOGIN \"\" x\r\nd NOOP\r\n",
            &["a NO", "b NO", "c NO", "* BYE"],
        )
        .never("d OK")
        .closes(),
        late("LOGIN twice", "a LOGIN user pass\r\n", &["a BAD"]),
        late(
            "AUTHENTICATE twice",
            "a AUTHENTICATE PLAIN\r\nb NOOP\r\n",
            &["a BAD", "b OK"],
        )
        .never("+ "),
        late(
            "twenty bad commands",
            repeated("", "a X\r\n", 20, "b NOOP\r\n"),
            &["a BAD", "* BYE"],
        )
        .never("b OK")
        .closes(),
        late(
            "nineteen bad commands",
            repeated("", "a X\r\n", 19, "b NOOP\r\n"),
            &["a BAD", "b OK"],
        ),
        late(
            "a selected state that is left by a failed SELECT",
            "a SELECT Nowhere\r\nb FETCH 1 FLAGS\r\n",
            &["a NO", "b BAD"],
        ),
    ]
}

fn id() -> Vec<Row> {
    vec![
        early(
            "ID with 31 pairs",
            repeated("a ID (", "\"k\" \"v\" ", 30, "\"k\" \"v\")\r\n"),
            &["a BAD"],
        ),
        early(
            "ID with a list in it",
            "a ID ((\"a\" \"b\"))\r\n",
            &["a BAD"],
        ),
        early("ID with half a pair", "a ID (\"a\")\r\n", &["a BAD"]),
        early("ID with atoms", "a ID (a b)\r\n", &["a BAD"]),
        early("ID without an argument", "a ID\r\n", &["a BAD"]),
        early(
            "ID with a field of 31 octets",
            repeated("a ID (\"", "k", 31, "\" \"v\")\r\n"),
            &["a BAD"],
        ),
        early(
            "ID with a value of 1025 octets",
            repeated("a ID (\"k\" \"", "v", 1025, "\")\r\n"),
            &["a BAD"],
        ),
        early(
            "ID with what would break a log line",
            b"a ID (\"name\" {15+}\r\nx\r\nlevel=error\x1b \"os\" NIL)\r\n",
            &["* ID", "a OK"],
        )
        .never("level=error"),
    ]
}
