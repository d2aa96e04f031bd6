//! Literals as lines announce them at their end, and which of them are messages (RFC 9051 §4.3, RFC 3516, RFC 7888).

/// A literal as announced at the end of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Literal {
    /// Its octets.
    pub size: u64,
    /// `{n}`: the client waits for `+`.
    pub synchronizing: bool,
}

/// Digits of a literal's size; the announcement then fits what is remembered of a skipped line.
const MAX_DIGITS: usize = 20;

/// What the end of a line announces.
pub(super) enum Announced {
    /// Nothing.
    None,
    /// More digits than any number here has: where it ends is not known.
    Lost,
    /// The literal, and where in the line its announcement begins.
    Literal(Literal, usize),
}

/// Reads `{n}`, `{n+}`, `~{n}` or `~{n+}` at the end of a line (RFC 9051 §9 `literal`, `literal8`; RFC 7888).
pub(super) fn announcement(line: &[u8]) -> Announced {
    let Some(inner) = line.strip_suffix(b"}") else {
        return Announced::None;
    };
    let (inner, synchronizing) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, false),
        None => (inner, true),
    };
    let digits = inner
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_digit())
        .count();
    if digits > MAX_DIGITS {
        return Announced::Lost;
    }
    let open = inner.len() - digits;
    if digits == 0 || open == 0 || inner[open - 1] != b'{' {
        return Announced::None;
    }
    let size = inner[open..].iter().fold(0u64, |n, digit| {
        n.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    let at = open - 1;
    // `literal8` (RFC 3516).
    let tilde = at > 0 && line[at - 1] == b'~';
    Announced::Literal(
        Literal {
            size,
            synchronizing,
        },
        at - usize::from(tilde),
    )
}

/// Whether the literal announced after `before` is a message of APPEND: either a later piece of one, or everything up to the mailbox is there.
pub(super) fn is_message_literal(before: &[u8]) -> bool {
    if matches!(before.first(), None | Some(b' ')) {
        return !before.is_empty();
    }
    let Some(space) = memchr::memchr(b' ', before) else {
        return false;
    };
    let rest = &before[space + 1..];
    rest.len() > 7 && rest[..7].eq_ignore_ascii_case(b"APPEND ")
}
