//! SASL messages and secrets, from values only.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Octets that are never printed, and overwritten when they are dropped, as far as safe code can.
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the octets over.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The octets.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        core::hint::black_box(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The message of SASL PLAIN (RFC 4616).
#[derive(Debug)]
pub struct Plain {
    /// Who signs in.
    pub user: String,
    /// With this password.
    pub password: Secret,
}

/// A SASL message that is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("The SASL message is malformed, or asks to act for another user")]
pub struct SaslError;

/// Reads `[authzid] NUL authcid NUL passwd`; acting for another user is refused.
///
/// # Errors
/// The message is malformed.
pub fn decode_plain(message: &[u8]) -> Result<Plain, SaslError> {
    let mut parts = message.split(|b| *b == 0);
    let (Some(acting), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SaslError);
    };
    if user.is_empty() || password.is_empty() || !(acting.is_empty() || acting == user) {
        return Err(SaslError);
    }
    let user = core::str::from_utf8(user).map_err(|_| SaslError)?;
    core::str::from_utf8(password).map_err(|_| SaslError)?;
    Ok(Plain {
        user: String::from(user),
        password: Secret::new(password.to_vec()),
    })
}

/// Decodes strict base64 (RFC 4648 §4); `None` for anything else.
#[must_use]
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    // The decoder also takes padded pieces one after another.
    let body = &text[..text.len().saturating_sub(2)];
    if body.contains(&b'=') {
        return None;
    }
    data_encoding::BASE64.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn plain_is_three_parts_and_nothing_else() {
        let plain = decode_plain(b"\0tim\0tanstaaftanstaaf").unwrap();
        assert_eq!(
            (plain.user.as_str(), plain.password.expose()),
            ("tim", &b"tanstaaftanstaaf"[..])
        );
        assert!(decode_plain(b"tim\0tim\0x").is_ok());
        for bad in [
            &b""[..],
            b"\0tim",
            b"\0\0pass",
            b"ursel\0kurt\0x",
            b"\0tim\0a\0b",
            b"\0tim\0",
            b"\0tim\0\xff",
            b"\0tim\0x\0",
            b"\xff\0tim\0x",
            b"\0\xff\0x",
        ] {
            assert!(decode_plain(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn base64_has_one_form() {
        assert_eq!(
            decode_base64(b"AHRpbQB4").as_deref(),
            Some(&b"\0tim\0x"[..])
        );
        assert_eq!(decode_base64(b"YQ==").as_deref(), Some(&b"a"[..]));
        assert_eq!(decode_base64(b"").as_deref(), Some(&b""[..]));
        for bad in [
            &b"="[..],
            b"YQ",
            b"YQ=",
            b"YR==",
            b"YQ==YQ==",
            b"YQ==\r\n",
            b" YQ==",
            b"YQ-_",
            b"Y===",
            b"====",
            b"*",
        ] {
            assert_eq!(decode_base64(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(
            format!("{:?}", Secret::new(b"hunter2".to_vec())),
            "Secret(..)"
        );
    }
}
