//! The stored form: what an earlier version computed otherwise is computed anew, and nothing else.

use alloc::vec::Vec;

use super::{Structure, V1, VERSION, checksum};
use crate::message::Scanner;

/// What a store keeps of a message, as this version would have written it.
fn kept(version: u8, mail: &str) -> Vec<u8> {
    let mut scanner = Scanner::new();
    scanner.feed(mail.as_bytes());
    let mut octets = scanner.finish().encode();
    octets[0] = version;
    let content = octets.len() - 4;
    let sum = checksum(&octets[..content]).to_le_bytes();
    octets[content..].copy_from_slice(&sum);
    octets
}

const PLAIN: &str = "Subject: x\r\n\r\nplain\r\n";
const FLAT: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n";
/// A multipart within the multipart.
const NESTED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
    Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nin\r\n--c--\r\n--b--\r\n";
/// One that has no parts, which is a leaf.
const HOLLOW: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
    Content-Type: MULTIPART/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n";
/// The same as the message itself: nothing is around it.
const HOLLOW_ROOT: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n";

#[test]
fn what_the_version_before_computed_as_this_one_does_is_current() {
    for mail in [PLAIN, FLAT, HOLLOW_ROOT] {
        assert!(Structure::is_current(&kept(V1, mail)), "{mail}");
    }
    for mail in [NESTED, HOLLOW] {
        assert!(!Structure::is_current(&kept(V1, mail)), "{mail}");
    }
    for mail in [PLAIN, FLAT, HOLLOW_ROOT, NESTED, HOLLOW] {
        assert!(Structure::is_current(&kept(VERSION, mail)), "{mail}");
    }
}

#[test]
fn what_cannot_be_read_is_not_current() {
    assert!(!Structure::is_current(b""));
    for version in [0, VERSION + 1, u8::MAX] {
        let octets = kept(version, PLAIN);
        assert!(!Structure::is_current(&octets), "{version}");
        assert_eq!(Structure::decode(&octets), None, "{version}");
    }
    let mut damaged = kept(V1, PLAIN);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert!(!Structure::is_current(&damaged));
}
