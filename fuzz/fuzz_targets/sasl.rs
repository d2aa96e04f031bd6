//! Base64 has one form, and a message of PLAIN is three parts (RFC 4648 §4, RFC 4616); a session that is sent one answers it and nothing else.
#![no_main]

use data_encoding::BASE64;
use libfuzzer_sys::fuzz_target;
use pillarbox_core::sasl::{decode_base64, decode_plain};
use pillarbox_sim::{Chunking, Host, Options};

fuzz_target!(|octets: &[u8]| {
    if let Some(decoded) = decode_base64(octets) {
        assert_eq!(BASE64.encode(&decoded).as_bytes(), octets);
    }
    assert_eq!(
        decode_base64(BASE64.encode(octets).as_bytes()).as_deref(),
        Some(octets)
    );
    let parts: Vec<_> = octets.split(|b| *b == 0).collect();
    let wanted = match parts[..] {
        [acting, user, password] if !user.is_empty() && !password.is_empty() => (acting.is_empty()
            || acting == user)
            .then(|| {
                std::str::from_utf8(user)
                    .ok()
                    .zip(std::str::from_utf8(password).ok())
            })
            .flatten(),
        _ => None,
    };
    let plain = decode_plain(octets).ok();
    let read = plain
        .as_ref()
        .map(|p| (p.user.as_bytes(), p.password.expose()));
    assert_eq!(
        read,
        wanted.map(|(user, password)| (user.as_bytes(), password.as_bytes()))
    );
    if octets.len() < 2000 {
        signs_in(octets, wanted == Some(("tim", "pw")));
    }
});

/// In one line and in two, as base64 and as it is.
fn signs_in(message: &[u8], right: bool) {
    let encoded = BASE64.encode(message);
    let initial = if encoded.is_empty() { "=" } else { &encoded };
    let one = format!("a AUTHENTICATE PLAIN {initial}\r\nb NOOP\r\n");
    let two = format!("a AUTHENTICATE PLAIN\r\n{encoded}\r\nb NOOP\r\n");
    for octets in [one.as_bytes(), two.as_bytes()] {
        let mut host = Host::new(&Options::default());
        host.send("A", octets, Chunking::Whole);
        let said = String::from_utf8(host.take_output("A")).expect("an answer is text");
        let answers: Vec<_> = said
            .lines()
            .filter(|l| !l.starts_with(['*', '+']))
            .collect();
        assert_eq!(answers.len(), 2, "{said}");
        assert_eq!(answers[0].starts_with("a OK "), right, "{said}");
        assert!(answers[1].starts_with("b OK "), "{said}");
    }
    if !message.contains(&b'\n') && message != b"*" {
        let line = [b"a AUTHENTICATE PLAIN\r\n", message, b"\r\nb NOOP\r\n"].concat();
        let mut host = Host::new(&Options::default());
        host.send("A", &line, Chunking::Whole);
        let said = String::from_utf8(host.take_output("A")).expect("an answer is text");
        assert!(said.ends_with("b OK NOOP completed\r\n"), "{said}");
    }
}
