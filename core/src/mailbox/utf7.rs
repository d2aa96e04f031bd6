//! Modified UTF-7 (RFC 3501 §5.1.3): the form of mailbox names before IMAP4rev2.

use alloc::string::String;
use alloc::vec::Vec;

use super::NameError;

/// Decodes `text`, which must be the one form its meaning has.
pub(super) fn decode(text: &str) -> Result<String, NameError> {
    let decoded = decode_loosely(text)?;
    if text.is_ascii() && encode(&decoded) == text {
        Ok(decoded)
    } else {
        Err(NameError::Utf7)
    }
}

fn decode_loosely(text: &str) -> Result<String, NameError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, shifted)) = rest.split_once('&') {
        out.push_str(plain);
        let (base64, after) = shifted.split_once('-').ok_or(NameError::Utf7)?;
        if base64.is_empty() {
            out.push('&');
        } else {
            decode_shift(base64, &mut out)?;
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn decode_shift(base64: &str, out: &mut String) -> Result<(), NameError> {
    let mut units = Vec::with_capacity(base64.len());
    let (mut bits, mut held) = (0u32, 0u32);
    for b in base64.bytes() {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b',' => 63,
            _ => return Err(NameError::Utf7),
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 16 {
            held -= 16;
            // Sixteen bits.
            units.push((bits >> held & 0xffff) as u16);
        }
        bits &= (1 << held) - 1;
    }
    for unit in char::decode_utf16(units) {
        out.push(unit.map_err(|_| NameError::Utf7)?);
    }
    Ok(())
}

/// The one form of `name`.
pub(super) fn encode(name: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";
    let mut out = String::with_capacity(name.len() * 2);
    let (mut bits, mut held, mut shifted) = (0u32, 0u32, false);
    let end = |out: &mut String, bits: &mut u32, held: &mut u32| {
        if *held > 0 {
            out.push(char::from(ALPHABET[(*bits << (6 - *held) & 63) as usize]));
        }
        out.push('-');
        (*bits, *held) = (0, 0);
    };
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            if core::mem::take(&mut shifted) {
                end(&mut out, &mut bits, &mut held);
            }
            out.push(c);
            if c == '&' {
                out.push('-');
            }
            continue;
        }
        if !core::mem::replace(&mut shifted, true) {
            out.push('&');
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            bits = bits << 16 | u32::from(*unit);
            held += 16;
            while held >= 6 {
                held -= 6;
                out.push(char::from(ALPHABET[(bits >> held & 63) as usize]));
            }
            bits &= (1 << held) - 1;
        }
    }
    if shifted {
        end(&mut out, &mut bits, &mut held);
    }
    out
}
