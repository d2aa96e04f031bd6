//! Sequence sets, flags, and the parameters of CONDSTORE and QRESYNC (RFC 7162 §7).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

use bytes::Bytes;

use super::cursor::{Cursor, Parsed, syntax, too_many};
use super::{Context, ParseError, lex};
use crate::ast::{Qresync, SelectParams, SequenceSet};
use crate::flag::{FlagNames, MAX_KEYWORD_OCTETS, MAX_KEYWORDS, SystemFlags};
use crate::id::ModSeq;
use crate::limits::Limits;

/// sequence-set = (seq-number / seq-range) ["," sequence-set] / seq-last-command
pub(super) fn sequence_set(c: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    const EXPECTED: &str = "Expected a sequence set";
    if c.skip(b"$") {
        c.word()?;
        return Ok(SequenceSet::Saved);
    }
    // No space is in a set, and a comma parts two of its ranges.
    let count = memchr::memchr_iter(b',', c.to_space()).count() + 1;
    c.weigh(count)?;
    let mut ranges = Vec::with_capacity(count);
    loop {
        ranges.push(c.run(lex::seq_range, EXPECTED)?);
        if !c.skip(b",") {
            return Ok(SequenceSet::Ranges(ranges));
        }
    }
}

/// mod-sequence-valzer
pub(super) fn modseq(c: &mut Cursor<'_>) -> Parsed<ModSeq> {
    c.take(lex::number64, "Expected a modification sequence")
        .map(ModSeq)
}

/// mod-sequence-value where zero is not allowed
pub(super) fn nz_modseq(c: &mut Cursor<'_>) -> Parsed<ModSeq> {
    match modseq(c)? {
        ModSeq(0) => syntax("A modification sequence is not zero"),
        modseq => Ok(modseq),
    }
}

/// flag-list = "(" [flag *(SP flag)] ")"
pub(super) fn flag_list(c: &mut Cursor<'_>) -> Parsed<FlagNames> {
    c.open()?;
    let mut flags = FlagNames::default();
    if c.skip(b")") {
        return Ok(flags);
    }
    loop {
        flag(c, &mut flags)?;
        if c.list_ends()? {
            return Ok(flags);
        }
    }
}

/// store-att-flags: a list, or flags with spaces between
pub(super) fn store_flags(c: &mut Cursor<'_>) -> Parsed<FlagNames> {
    if c.peek() == Some(b'(') {
        return flag_list(c);
    }
    let mut flags = FlagNames::default();
    loop {
        flag(c, &mut flags)?;
        if c.at_end() {
            return Ok(flags);
        }
        c.space()?;
    }
}

/// Flags as STORE takes them, `\Seen $Work`; of no text none.
impl FromStr for FlagNames {
    type Err = ParseError;

    fn from_str(text: &str) -> Parsed<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let limits = &Limits::default();
        let cx = Context {
            limits,
            authenticated: true,
        };
        let frame = Bytes::copy_from_slice(text.as_bytes());
        let mut cursor = Cursor::new(&frame, &cx);
        let flags = store_flags(&mut cursor)?;
        cursor.end().map(|()| flags)
    }
}

/// flag = "\Answered" / … / flag-keyword; \Recent cannot be set (RFC 3501 §2.3.2)
fn flag(c: &mut Cursor<'_>, flags: &mut FlagNames) -> Parsed<()> {
    if c.peek() == Some(b'\\') {
        let name = c.take(lex::system_flag, "Expected a flag")?;
        let name = core::str::from_utf8(name).unwrap_or("");
        let Some(flag) = SystemFlags::from_name(name) else {
            return syntax("There is no such system flag, or it cannot be set");
        };
        flags.system = flags.system.with(flag);
        return Ok(());
    }
    let keyword = c.atom("Expected a flag")?;
    if keyword.len() > MAX_KEYWORD_OCTETS {
        return too_many("The keyword is too long");
    }
    // An atom is ASCII.
    let keyword: String = keyword.iter().map(|b| char::from(*b)).collect();
    if !flags
        .keywords
        .iter()
        .any(|k| k.eq_ignore_ascii_case(&keyword))
    {
        // Comparing each with each stays little work.
        if flags.keywords.len() == MAX_KEYWORDS {
            return too_many("A message cannot have so many keywords");
        }
        flags.keywords.push(keyword);
    }
    Ok(())
}

/// select-params = SP "(" select-param *(SP select-param) ")"
pub(super) fn select_params(c: &mut Cursor<'_>) -> Parsed<SelectParams> {
    let mut params = SelectParams::default();
    c.list(|c| {
        if c.skip(b"CONDSTORE") {
            params.condstore = true;
        } else if c.skip(b"QRESYNC ") {
            params.condstore = true;
            params.qresync = Some(Box::new(qresync(c)?));
        } else {
            return syntax("Expected CONDSTORE or QRESYNC (...)");
        }
        c.word()
    })?;
    Ok(params)
}

/// "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"
fn qresync(c: &mut Cursor<'_>) -> Parsed<Qresync> {
    c.open()?;
    let uid_validity = c.take(lex::nz_number, "Expected a UIDVALIDITY")?;
    c.space()?;
    let mut qresync = Qresync {
        uid_validity,
        modseq: nz_modseq(c)?,
        known_uids: None,
        seq_match: None,
    };
    if c.list_ends()? {
        return Ok(qresync);
    }
    if c.peek() != Some(b'(') {
        qresync.known_uids = Some(known_set(c)?);
        if c.list_ends()? {
            return Ok(qresync);
        }
    }
    c.open()?;
    let seqs = known_set(c)?;
    c.space()?;
    let uids = known_set(c)?;
    match (ascending(&seqs), ascending(&uids)) {
        (Some(seqs), Some(uids)) if seqs == uids => {}
        _ => return syntax("Numbers and UIDs that match are as many, and ascend"),
    }
    qresync.seq_match = Some((seqs, uids));
    c.expect(b"))", "Expected ))")?;
    Ok(qresync)
}

/// known-uids and the like = sequence-set, "*" and "$" not allowed
fn known_set(c: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    use crate::ast::SeqNumber::Last;
    match sequence_set(c)? {
        SequenceSet::Ranges(ranges) if ranges.iter().all(|(a, b)| *a != Last && *b != Last) => {
            Ok(SequenceSet::Ranges(ranges))
        }
        _ => syntax("Expected numbers, without * or $"),
    }
}

/// How many numbers there are; `None`: they do not go from the least to the greatest, each once (RFC 7162 §3.2.5.2).
fn ascending(set: &SequenceSet) -> Option<u64> {
    use crate::ast::SeqNumber::Number;
    let SequenceSet::Ranges(ranges) = set else {
        return None;
    };
    let (mut count, mut last) = (0, 0);
    for range in ranges {
        let (Number(first), Number(end)) = range else {
            return None;
        };
        if first.get() <= last || end < first {
            return None;
        }
        count += u64::from(end.get() - first.get()) + 1;
        last = end.get();
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use bytes::Bytes;

    use super::*;
    use crate::limits::Limits;
    use crate::parse::{Context, parse_command};

    #[test]
    fn keywords_are_bounded() {
        let limits = Limits::default();
        let cx = Context {
            limits: &limits,
            authenticated: true,
        };
        for (count, room) in [(MAX_KEYWORDS, true), (MAX_KEYWORDS + 1, false)] {
            let names: Vec<String> = (0..count).map(|n| format!("k{n}")).collect();
            let line = Bytes::from(format!("STORE 1 FLAGS ({})", names.join(" ")));
            let parsed = parse_command(&line, 0, &cx);
            assert_eq!(parsed.is_ok(), room, "{count}");
        }
    }

    #[test]
    fn text_becomes_flags() {
        let flags: FlagNames = "\\SEEN $Work \\Draft work $work".parse().unwrap();
        assert_eq!(flags.system, SystemFlags::SEEN.with(SystemFlags::DRAFT));
        assert_eq!(flags.keywords, ["$Work", "work"]);
        assert_eq!("".parse(), Ok(FlagNames::default()));
        for wrong in [
            "\\Recent", "\\Other", "a(b", "a\"", "ä", "a,b\r\nc", " ", "(a",
        ] {
            assert!(wrong.parse::<FlagNames>().is_err(), "{wrong:?}");
        }
        assert!("x".repeat(256).parse::<FlagNames>().is_err());
    }
}
