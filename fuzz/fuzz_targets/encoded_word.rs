//! Encoded words (RFC 2047) say the text that was put into them, however it was cut; anything else in a field is let through.
#![no_main]

use data_encoding::BASE64;
use libfuzzer_sys::fuzz_target;
use pillarbox_core::message::{decode_header, fold_case};

fuzz_target!(|octets: &[u8]| {
    let decoded = decode_header(octets);
    assert!(decoded.len() <= 3 * octets.len());
    if let Ok(plain) = std::str::from_utf8(octets)
        && !plain.contains("=?")
        && !plain.contains(['\r', '\n'])
    {
        assert_eq!(
            decoded,
            plain.trim_matches(|c: char| c.is_ascii_whitespace())
        );
    }
    // Searching folds what was folded before.
    assert_eq!(fold_case(&fold_case(&decoded)), fold_case(&decoded));
    if let Some((cuts, text)) = octets.split_first()
        && let Ok(text) = std::str::from_utf8(text)
        && !text.is_empty()
    {
        assert_eq!(decode_header(&words(text, *cuts)), text);
    }
});

/// The text as encoded words of two encodings in turn, cut even within characters, as some do.
fn words(text: &str, cuts: u8) -> Vec<u8> {
    let size = usize::from(cuts % 16) + 1;
    let space = if cuts & 16 == 0 { " " } else { "\r\n\t" };
    let words: Vec<String> = (0..)
        .zip(text.as_bytes().chunks(size))
        .map(|(at, chunk)| match at % 2 == 0 {
            true => format!("=?UTF-8?B?{}?=", BASE64.encode(chunk)),
            false => format!("=?utf-8?q?{}?=", quoted(chunk)),
        })
        .collect();
    words.join(space).into_bytes()
}

fn quoted(octets: &[u8]) -> String {
    let one = |b: &u8| match b {
        b' ' => String::from("_"),
        b if b.is_ascii_alphanumeric() => String::from(char::from(*b)),
        b => format!("={b:02X}"),
    };
    octets.iter().map(one).collect()
}
