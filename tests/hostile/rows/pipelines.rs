//! Many commands at once.

use super::{Class, Row, early, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "Commands are taken one at a time and in order, and only so many ahead: the transport holds the rest",
            rows: floods(),
        },
        Class {
            why: "What one command does the next one sees, in one packet or in many (RFC 9051 §5.5)",
            rows: order(),
        },
    ]
}

fn floods() -> Vec<Row> {
    vec![
        late(
            "ten thousand commands at once",
            repeated("", "a NOOP\r\n", 10_000, "b NOOP\r\n"),
            &["b OK"],
        ),
        early(
            "ten thousand commands at once before login",
            repeated("", "a NOOP\r\n", 10_000, "b NOOP\r\n"),
            &["b OK"],
        ),
        late(
            "a thousand FETCHes at once",
            repeated("", "a FETCH 1:* (FLAGS ENVELOPE)\r\n", 1000, "b NOOP\r\n"),
            &["b OK"],
        ),
        late(
            "a thousand SEARCHes at once",
            repeated("", "a SEARCH BODY x\r\n", 1000, "b NOOP\r\n"),
            &["b OK"],
        ),
        late(
            "SELECT, CLOSE, SELECT …",
            repeated("", "a SELECT INBOX\r\na CLOSE\r\n", 100, "b NOOP\r\n"),
            &["b OK"],
        ),
        early(
            "AUTHENTICATE, given up, over and over",
            repeated(
                "",
                "a AUTHENTICATE PLAIN\r\n*\r\nb NOOP\r\n",
                1000,
                "c NOOP\r\n",
            ),
            &["c OK"],
        ),
        early(
            "ID over and over",
            repeated("", "a ID (\"name\" \"x\")\r\n", 2000, "b NOOP\r\n"),
            &["b OK"],
        ),
        early(
            "empty lines between commands",
            repeated("", "a NOOP\r\n\r\n\r\n", 1000, "b NOOP\r\n"),
            &["b OK"],
        ),
    ]
}

fn order() -> Vec<Row> {
    vec![
        late(
            "STORE, EXPUNGE and FETCH in one packet",
            "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\nb EXPUNGE\r\nc FETCH 1 UID\r\nd UID FETCH 1 UID\r\n",
            &[
                "a OK",
                "* 1 EXPUNGE",
                "b OK",
                "* 1 FETCH (UID 2)",
                "c OK",
                "d OK",
            ],
        ),
        late(
            "CREATE, APPEND, SELECT and DELETE in one packet",
            "a CREATE q\r\nb APPEND q {3+}\r\nabc\r\nc SELECT q\r\nd DELETE q\r\ne CREATE q\r\n",
            &["a OK", "b OK", "1 EXISTS", "c OK", "d OK", "* BYE"],
        )
        .never("e OK")
        .closes(),
        late(
            "SEARCH with SAVE and its use in one packet",
            "a UID SEARCH RETURN (SAVE) ALL\r\nb UID FETCH $ UID\r\nc UID STORE $ +FLAGS (\\Deleted)\r\nd EXPUNGE\r\ne UID FETCH $ UID\r\n",
            &[
                "a OK",
                "* 2 FETCH",
                "b OK",
                "c OK",
                "EXPUNGE",
                "d OK",
                "e OK",
            ],
        ),
        late(
            "commands after LOGOUT",
            "a LOGOUT\r\nb NOOP\r\n",
            &["* BYE", "a OK"],
        )
        .never("b OK")
        .closes(),
        late(
            "a SEARCH and LOGOUT in one packet",
            "a SEARCH BODY x\r\nb LOGOUT\r\n",
            &["a OK", "* BYE", "b OK"],
        )
        .closes(),
        late(
            "the same tag for all",
            "a NOOP\r\na FETCH 0 UID\r\na NOOP\r\n",
            &["a OK", "a BAD", "a OK"],
        ),
        late(
            "CLOSE, then what needs a mailbox",
            "a CLOSE\r\nb FETCH 1 UID\r\nc UNSELECT\r\nd CHECK\r\n",
            &["a OK", "b BAD", "c BAD", "d BAD"],
        ),
        late(
            "half a command, and its end in another packet",
            "a FETCH 1:* (UID\r\nb NOOP\r\n)\r\n",
            &["a BAD", "b OK", "* BAD"],
        ),
    ]
}
