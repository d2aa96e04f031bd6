//! STARTTLS: nothing sent before the handshake may act after it.

use super::{Class, Place, Row, early, late};

pub(super) fn classes() -> Vec<Class> {
    vec![
        Class {
            why: "No octet read in plain text reaches the parser after STARTTLS (RFC 9051 §11.1): fifteen servers had this hole",
            rows: injection(),
        },
        Class {
            why: "STARTTLS is for connections that are neither protected nor signed in (RFC 9051 §6.2.1)",
            rows: states(),
        },
    ]
}

fn injection() -> Vec<Row> {
    let forms: [(&'static str, &[u8], &'static [&'static str]); 9] = [
        (
            "commands after STARTTLS",
            b"a STARTTLS\r\nb NOOP\r\n",
            &["a OK"],
        ),
        (
            "a login after STARTTLS",
            b"a STARTTLS\r\nb LOGIN tim pw\r\nb NOOP\r\n",
            &["a OK"],
        ),
        (
            "commands on both sides of STARTTLS",
            b"z NOOP\r\na STARTTLS\r\nb NOOP\r\n",
            &["z OK", "a OK"],
        ),
        (
            "a literal after STARTTLS",
            b"a STARTTLS\r\nb NOOP {8+}\r\nb NOOP\r\n\r\n",
            &["a OK"],
        ),
        (
            "half a command after STARTTLS",
            b"a STARTTLS\r\nb NO",
            &["a OK"],
        ),
        ("one octet after STARTTLS", b"a STARTTLS\r\n\r", &["a OK"]),
        (
            "STARTTLS in small letters under an odd tag",
            b"]:$x starttls\r\nb NOOP\r\n",
            &["]:$x OK"],
        ),
        ("STARTTLS twice", b"a STARTTLS\r\nb STARTTLS\r\n", &["a OK"]),
        (
            "a TLS alert after STARTTLS",
            b"a STARTTLS\r\n\x15\x03\x01\x00\x02\x02\x28",
            &["a OK"],
        ),
    ];
    forms
        .into_iter()
        .map(|(name, octets, says)| {
            early(name, octets, says)
                .never("b ")
                .closes()
                .only(Place::Plain)
        })
        .collect()
}

fn states() -> Vec<Row> {
    vec![
        late("STARTTLS after login", "a STARTTLS\r\n", &["a BAD"]),
        early(
            "STARTTLS under TLS",
            "a STARTTLS\r\nb NOOP\r\n",
            &["a BAD", "b OK"],
        )
        .only(Place::Tls),
        early(
            "STARTTLS is not offered under TLS",
            "a CAPABILITY\r\n",
            &["a OK"],
        )
        .never("STARTTLS")
        .only(Place::Tls),
        early(
            "STARTTLS with an argument",
            "a STARTTLS x\r\nb NOOP\r\n",
            &["a BAD", "b OK"],
        ),
        early("STARTTLS and LF", "a STARTTLS\nb NOOP\r\n", &["a BAD"]).never("b OK"),
        early(
            "STARTTLS with a literal",
            "a STARTTLS {8+}\r\nb NOOP\r\n\r\n",
            &["a BAD"],
        )
        .never("b OK"),
        early(
            "STARTTLS instead of a SASL response",
            "a AUTHENTICATE PLAIN\r\nb STARTTLS\r\n",
            &["+ ", "a BAD"],
        )
        .never("b "),
    ]
}
