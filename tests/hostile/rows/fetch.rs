//! FETCH: sections, partials, lists.

use super::{Class, Row, late, repeated};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "No recursion on what a client sends: paths, names and parentheses by the ten thousand",
            rows: nesting(),
        },
        Class {
            why: "An offset and a length are numbers of 63 bits whose sum does not overflow (RFC 9051 §9 partial)",
            rows: partials(),
        },
        Class {
            why: "FETCH items and sections are exactly those of the grammar (RFC 9051 §9 fetch-att, RFC 3516)",
            rows: items(),
        },
    ]
}

fn nesting() -> Vec<Row> {
    vec![
        late(
            "ten thousand header names",
            repeated(
                "a FETCH 1 BODY.PEEK[HEADER.FIELDS (X",
                " X",
                10_000,
                ")]\r\n",
            ),
            &["a OK"],
        ),
        late(
            "ten thousand quoted header names",
            repeated(
                "a FETCH 1 BODY.PEEK[HEADER.FIELDS (\"X\"",
                " \"X\"",
                10_000,
                ")]\r\n",
            ),
            &["a OK"],
        ),
        late(
            "a hundred thousand header names",
            repeated(
                "a FETCH 1 BODY.PEEK[HEADER.FIELDS (X",
                " X",
                100_000,
                ")]\r\n",
            ),
            &["a BAD"],
        ),
        late(
            "a header name of 200 KB",
            repeated(
                "a FETCH 1 BODY.PEEK[HEADER.FIELDS (",
                "X",
                200_000,
                ")]\r\n",
            ),
            &["a OK"],
        ),
        late(
            "a header name of 500 KB",
            repeated(
                "a FETCH 1 BODY.PEEK[HEADER.FIELDS (",
                "X",
                500_000,
                ")]\r\n",
            ),
            &["a BAD [LIMIT]"],
        ),
        late(
            "a section of 64 numbers",
            repeated("a FETCH 1 BODY.PEEK[1", ".1", 63, "]\r\n"),
            &["a OK"],
        ),
        late(
            "a section of 5000 numbers",
            repeated("a FETCH 1 BODY.PEEK[1", ".1", 5000, "]\r\n"),
            &["a BAD"],
        ),
        late(
            "a binary section of 5000 numbers",
            repeated("a FETCH 1 BINARY.SIZE[1", ".1", 5000, "]\r\n"),
            &["a BAD"],
        ),
        late(
            "FETCH of lists in lists",
            repeated("a FETCH 1 ", "(", 1000, "FLAGS\r\n"),
            &["a BAD"],
        ),
        late(
            "FETCH of an item many times",
            repeated("a FETCH 1 (UID", " FLAGS", 7_000, ")\r\n"),
            &["a OK"],
        ),
        late(
            "FETCH of too many items",
            repeated("a FETCH 1 (UID", " FLAGS", 70_000, ")\r\n"),
            &["a BAD [LIMIT]"],
        ),
        late(
            "FETCH of bodies many times",
            repeated("a FETCH 1:* (UID", " BODY.PEEK[]", 1_000, ")\r\n"),
            &["a OK"],
        ),
    ]
}

fn partials() -> Vec<Row> {
    vec![
        late(
            "a partial that overflows 32 bits",
            "a FETCH 1 BODY.PEEK[]<4294967295.4294967295>\r\n",
            &["BODY[]<4294967295> {0}", "a OK"],
        ),
        late(
            "a partial that overflows 63 bits",
            "a FETCH 1 BODY.PEEK[]<9223372036854775807.9223372036854775807>\r\n",
            &["a OK"],
        ),
        late(
            "a partial of 2^63",
            "a FETCH 1 BODY.PEEK[]<9223372036854775808.1>\r\n",
            &["a BAD"],
        ),
        late(
            "a partial of 2^64",
            "a FETCH 1 BODY.PEEK[]<0.18446744073709551616>\r\n",
            &["a BAD"],
        ),
        late(
            "a partial of nothing",
            "a FETCH 1 BODY.PEEK[]<0.0>\r\n",
            &["a BAD"],
        ),
        late(
            "a partial without a length",
            "a FETCH 1 BODY.PEEK[]<0>\r\n",
            &["a BAD"],
        ),
        late(
            "a partial unclosed",
            "a FETCH 1 BODY.PEEK[]<0.1\r\n",
            &["a BAD"],
        ),
        late(
            "a partial with a sign",
            "a FETCH 1 BODY.PEEK[]<-1.1>\r\n",
            &["a BAD"],
        ),
        late(
            "a partial of a binary part that overflows",
            "a FETCH 1 BINARY.PEEK[1]<9223372036854775807.9223372036854775807>\r\n",
            &["a OK"],
        ),
        late(
            "a partial of a size",
            "a FETCH 1 BINARY.SIZE[1]<0.1>\r\n",
            &["a BAD"],
        ),
    ]
}

fn items() -> Vec<Row> {
    vec![
        late(
            "a section with a number too large",
            "a FETCH 1 BODY.PEEK[4294967296]\r\n",
            &["a BAD"],
        ),
        late(
            "a section of zero",
            "a FETCH 1 BODY.PEEK[0]\r\n",
            &["a BAD"],
        ),
        late(
            "a section that ends in a dot",
            "a FETCH 1 BODY.PEEK[1.]\r\n",
            &["a BAD"],
        ),
        late(
            "a section of dots",
            "a FETCH 1 BODY.PEEK[1..1]\r\n",
            &["a BAD"],
        ),
        late(
            "MIME of the message itself",
            "a FETCH 1 BODY.PEEK[MIME]\r\n",
            &["a BAD"],
        ),
        late(
            "a section unclosed",
            "a FETCH 1 BODY.PEEK[TEXT\r\n",
            &["a BAD"],
        ),
        late(
            "no header names",
            "a FETCH 1 BODY.PEEK[HEADER.FIELDS ()]\r\n",
            &["a BAD"],
        ),
        late(
            "header names with what would break the answer",
            "a FETCH 1 BODY.PEEK[HEADER.FIELDS (\"x)] {3}\" {4+}\r\n\r\nab)]\r\n",
            &["a "],
        ),
        late(
            "a part that is not there",
            "a FETCH 1 (BODY.PEEK[9.9] BODY.PEEK[9.MIME] BODY.PEEK[1.HEADER])\r\n",
            &["BODY[9.9] NIL", "a OK"],
        ),
        late(
            "a binary part that is not there",
            "a FETCH 1 BINARY.PEEK[9]\r\n",
            &["a "],
        ),
        late("FETCH of an empty list", "a FETCH 1 ()\r\n", &["a BAD"]),
        late(
            "FETCH of a macro in a list",
            "a FETCH 1 (ALL)\r\n",
            &["a BAD"],
        ),
        late("FETCH of nothing", "a FETCH 1\r\n", &["a BAD"]),
        late("FETCH without anything", "a FETCH\r\n", &["a BAD"]),
        late(
            "FETCH of an unclosed list",
            "a FETCH 1 (FLAGS\r\n",
            &["a BAD"],
        ),
        late(
            "FETCH of a list and more",
            "a FETCH 1 (FLAGS) UID\r\n",
            &["a BAD"],
        ),
        late(
            "FETCH of an item there is not",
            "a FETCH 1 X-GM-LABELS\r\n",
            &["a BAD"],
        ),
        late(
            "FETCH of two items without a list",
            "a FETCH 1 UID FLAGS\r\n",
            &["a BAD"],
        ),
    ]
}
