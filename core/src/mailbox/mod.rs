//! Mailbox names: UTF-8 in NFC inside, modified UTF-7 at the edge; and LIST patterns, matched without recursion.

mod pattern;
#[cfg(test)]
mod tests;
mod utf7;

pub use pattern::Pattern;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

const MAX_OCTETS: usize = 1000;
const MAX_DEPTH: usize = 64;
const MAX_MARKS: usize = 30;

/// A mailbox's name: valid UTF-8 in NFC, components parted by `/`, INBOX in upper case. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MailboxName(Arc<str>);

/// Why a name or a pattern is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing is left of it.
    #[error("The mailbox name is empty")]
    Empty,
    /// Two separators in a row, or one at an end.
    #[error("The mailbox name has an empty part between separators")]
    EmptyComponent,
    /// Too many octets.
    #[error("The name is too long; 1000 octets are allowed")]
    TooLong,
    /// A pattern of too many octets.
    #[error("The pattern is too long; 1024 octets are allowed")]
    PatternTooLong,
    /// Too many levels.
    #[error("The mailbox name has too many levels; 64 are allowed")]
    TooDeep,
    /// Control characters and line separators.
    #[error("The mailbox name holds a control character")]
    Control,
    /// Too many combining marks in a row.
    #[error("The mailbox name holds too many combining marks in a row")]
    Marks,
    /// Not what RFC 3501 §5.1.3 makes of any name.
    #[error("The mailbox name is not in modified UTF-7")]
    Utf7,
    /// Not UTF-8.
    #[error("The mailbox name is not in UTF-8")]
    Utf8,
}

impl MailboxName {
    /// INBOX.
    #[must_use]
    pub fn inbox() -> Self {
        Self(Arc::from("INBOX"))
    }

    /// Checks and normalises a name.
    ///
    /// # Errors
    /// The name is refused.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check(name)?;
        let mut name: String = match name.is_ascii() {
            true => name.into(),
            false => name.nfc().collect(),
        };
        if name.len() > MAX_OCTETS {
            return Err(NameError::TooLong);
        }
        if name.split('/').any(str::is_empty) {
            return Err(NameError::EmptyComponent);
        }
        if name.split('/').count() > MAX_DEPTH {
            return Err(NameError::TooDeep);
        }
        upper_inbox(&mut name);
        Ok(Self(name.into()))
    }

    /// Reads a name as sent: UTF-8 for a client that speaks it, else modified UTF-7 in its one form.
    ///
    /// # Errors
    /// The name is refused.
    pub fn from_wire(octets: &[u8], utf8: bool) -> Result<Self, NameError> {
        Self::new(&decode(octets, utf8)?)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as sent.
    #[must_use]
    pub fn to_wire(&self, utf8: bool) -> Cow<'_, str> {
        let plain = self.0.bytes().all(|b| b.is_ascii() && b != b'&');
        if utf8 || plain {
            Cow::Borrowed(&self.0)
        } else {
            Cow::Owned(utf7::encode(&self.0))
        }
    }

    /// Whether it is INBOX.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }

    /// The name one level up.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once('/')
            .map(|(parent, _)| Self(parent.into()))
    }

    /// The names above it, the nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        core::iter::successors(self.parent(), Self::parent)
    }

    /// Whether it is below `ancestor`.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.0
            .strip_prefix(&*ancestor.0)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The name this one gets when `from`, itself or above it, becomes `to`.
    ///
    /// # Errors
    /// The new name is refused.
    pub fn with_prefix_replaced(&self, from: &Self, to: &Self) -> Result<Self, NameError> {
        match self.0.strip_prefix(&*from.0) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                Self::new(&alloc::format!("{}{rest}", to.0))
            }
            _ => Ok(self.clone()),
        }
    }
}

fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > 4 * MAX_OCTETS {
        return Err(NameError::TooLong);
    }
    if name
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
    {
        return Err(NameError::Control);
    }
    if name.is_ascii() {
        return Ok(());
    }
    // Counted in NFD, which NFC does not change: a name once accepted stays so.
    let mut marks = 0;
    for c in name.nfd() {
        marks = if canonical_combining_class(c) == 0 {
            0
        } else {
            marks + 1
        };
        if marks > MAX_MARKS {
            return Err(NameError::Marks);
        }
    }
    Ok(())
}

/// INBOX is INBOX in any case, and so is the root of its children (RFC 9051 §5.1).
fn upper_inbox(name: &mut str) {
    let first = name.split('/').next().unwrap_or("").len();
    if name[..first].eq_ignore_ascii_case("INBOX") {
        name[..first].make_ascii_uppercase();
    }
}

fn decode(octets: &[u8], utf8: bool) -> Result<String, NameError> {
    // Modified UTF-7 takes three octets for one at the most.
    if octets.len() > 12 * MAX_OCTETS {
        return Err(NameError::TooLong);
    }
    match core::str::from_utf8(octets) {
        Ok(text) if utf8 => Ok(String::from(text)),
        Ok(text) => utf7::decode(text),
        Err(_) if utf8 => Err(NameError::Utf8),
        Err(_) => Err(NameError::Utf7),
    }
}
