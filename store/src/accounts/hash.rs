//! Password hashes: argon2id in PHC form, and nothing else.

use std::io::{self, Read};

use argon2::password_hash::{Output, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, PasswordHasher, Version};

/// The argon2id PHC string of a password, with a fresh salt and the cost that OWASP advises (19 MiB, two passes).
///
/// # Errors
/// When the system gives no randomness, or the password is longer than 1024 octets.
pub fn hash_password(password: &[u8]) -> io::Result<String> {
    hash_at_cost(password, Params::DEFAULT_M_COST, Params::DEFAULT_T_COST)
}

pub(super) fn hash_at_cost(password: &[u8], kib: u32, passes: u32) -> io::Result<String> {
    if password.len() > LONGEST_PASSWORD {
        return Err(io::Error::other("the password is longer than 1024 octets"));
    }
    let mut salt = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut salt)?;
    let salt = SaltString::encode_b64(&salt).map_err(io::Error::other)?;
    let cost = Params::new(kib, passes, 1, None).map_err(io::Error::other)?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost);
    let hash = argon.hash_password(password, &salt);
    Ok(hash.map_err(io::Error::other)?.to_string())
}

/// Whether this is a hash that can be checked against.
pub(super) fn is_hash(text: &str) -> bool {
    let parsed = PasswordHash::new(text);
    parsed.is_ok_and(|hash| {
        hash.algorithm == argon2::ARGON2ID_IDENT
            && hash.hash.is_some()
            && Params::try_from(&hash).is_ok()
    })
}

/// Checks passwords, one at a time, in memory that it keeps: argon2id wants much of it, and an allocator asked for it again and again holds several
/// times as much.
#[derive(Default)]
pub(super) struct Verifier(Vec<Block>);

impl Verifier {
    /// Whether the password is the one that was hashed; slow by design. `None`, at once: this is not a hash that can be checked against.
    pub(super) fn matches(&mut self, hash: &str, password: &[u8]) -> Option<bool> {
        let password = &password[..password.len().min(LONGEST_PASSWORD + 1)];
        let hash = PasswordHash::new(hash).ok()?;
        let cost = Params::try_from(&hash).ok()?;
        let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from);
        let (mut salt, mut out) = ([0; 64], [0; 64]);
        let salt = hash.salt?.decode_b64(&mut salt).ok()?;
        let expected = hash.hash?;
        let out = out.get_mut(..expected.len())?;
        self.0.resize(cost.block_count(), Block::default());
        Argon2::new(Algorithm::Argon2id, version.ok()?, cost)
            .hash_password_into_with_memory(password, salt, out, &mut self.0)
            .ok()?;
        // Compares in constant time.
        Some(Output::new(out).ok()? == expected)
    }
}

/// More octets of a password are refused when it is set, so that a client cannot make checking one dear.
const LONGEST_PASSWORD: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_argon2id_is_a_hash() {
        let hash = hash_at_cost(b"right", 64, 1).unwrap();
        let mut verifier = Verifier::default();
        assert!(is_hash(&hash) && verifier.matches(&hash, b"right") == Some(true));
        assert_eq!(verifier.matches(&hash, b"wrong"), Some(false));
        let dearer = hash_at_cost(b"right", 128, 2).unwrap();
        for hash in [&dearer, &hash, &dearer] {
            assert_eq!(verifier.matches(hash, b"right"), Some(true));
            assert_eq!(verifier.matches(hash, b""), Some(false));
        }
        for bad in [
            "right",
            "",
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
            &hash.replace("argon2id", "argon2i"),
            &hash.replace("m=64", "m=1"),
        ] {
            assert!(!is_hash(bad), "{bad}");
        }
    }

    #[test]
    fn a_password_is_bounded() {
        let longest = [b'x'; LONGEST_PASSWORD];
        let hash = hash_at_cost(&longest, 64, 1).unwrap();
        let mut verifier = Verifier::default();
        assert_eq!(verifier.matches(&hash, &longest), Some(true));
        let longer = verifier.matches(&hash, &[b'x'; LONGEST_PASSWORD + 1]);
        assert_eq!(longer, Some(false));
        assert!(hash_at_cost(&[b'x'; LONGEST_PASSWORD + 1], 64, 1).is_err());
    }
}
