//! Encoders of untagged responses, a function each, and of what a tagged one says of many messages.

mod code;

use alloc::sync::Arc;

use crate::flag::{Flags, MAX_KEYWORDS, SystemFlags};
use crate::id::{ModSeq, Uid};
use crate::mailbox::MailboxName;
use crate::set::UidSet;
use crate::wire::output::Output;
pub(crate) use code::Code;
use core::fmt::Write;

/// `* FLAGS (…)` (RFC 9051 §7.3.5).
pub(crate) fn flags(out: &mut Output, keywords: &[Arc<str>]) {
    out.put(b"* FLAGS (");
    names(out, keywords);
    out.put(b")\r\n");
}

/// `* OK [PERMANENTFLAGS (…)]` (RFC 9051 §7.1).
pub(crate) fn permanent_flags(out: &mut Output, keywords: &[Arc<str>], read_only: bool) {
    out.put(b"* OK [PERMANENTFLAGS (");
    if !read_only {
        names(out, keywords);
        if keywords.len() < MAX_KEYWORDS {
            out.put(b" \\*");
        }
    }
    out.put(b")] Flags that stay\r\n");
}

fn names(out: &mut Output, keywords: &[Arc<str>]) {
    for (i, (_, name)) in SystemFlags::TABLE.iter().enumerate() {
        if i > 0 {
            out.put(b" ");
        }
        out.put_str(name);
    }
    for keyword in keywords {
        out.put(b" ");
        out.put_str(keyword);
    }
}

/// `* n EXISTS`.
pub(crate) fn exists(out: &mut Output, n: u64) {
    numbered(out, n, b" EXISTS\r\n");
}

/// `* n RECENT` (RFC 3501 §7.3.2).
pub(crate) fn recent(out: &mut Output, n: u64) {
    numbered(out, n, b" RECENT\r\n");
}

/// `* n EXPUNGE`.
pub(crate) fn expunge(out: &mut Output, seq: u32) {
    numbered(out, u64::from(seq), b" EXPUNGE\r\n");
}

fn numbered(out: &mut Output, n: u64, rest: &[u8]) {
    out.put(b"* ");
    out.number(n);
    out.put(rest);
}

/// Ranges of one VANISHED.
pub(crate) const VANISHED: usize = 4096;

/// `* VANISHED` for the first of these UIDs, which are taken away: several of them tell of many (RFC 7162 §3.2.10).
pub(crate) fn vanished_some(out: &mut Output, uids: &mut UidSet, earlier: bool) {
    vanished(out, &uids.split_off_first_ranges(VANISHED), earlier);
}

/// `* VANISHED` (RFC 7162 §3.2.10); nothing for an empty set.
pub(crate) fn vanished(out: &mut Output, uids: &UidSet, earlier: bool) {
    if !uids.is_empty() {
        set_line(
            out,
            if earlier {
                "* VANISHED (EARLIER) "
            } else {
                "* VANISHED "
            },
            uids,
        );
    }
}

fn set_line(out: &mut Output, head: &str, uids: &UidSet) {
    out.put_str(head);
    set(out, uids.ranges());
    out.put(b"\r\n");
}

/// Ranges as `sequence-set`.
pub(crate) fn set(out: &mut Output, ranges: &[(u32, u32)]) {
    for (i, &(a, b)) in ranges.iter().enumerate() {
        if i > 0 {
            out.put(b",");
        }
        out.number(u64::from(a));
        if b != a {
            out.put(b":");
            out.number(u64::from(b));
        }
    }
}

/// `* n FETCH (`.
pub(crate) fn fetch_head(out: &mut Output, seq: u32) {
    numbered(out, u64::from(seq), b" FETCH (");
}

/// `UID n`.
pub(crate) fn fetch_uid(out: &mut Output, uid: Uid) {
    out.put(b"UID ");
    out.number(u64::from(uid.get()));
}

/// `MODSEQ (n)`.
pub(crate) fn fetch_modseq(out: &mut Output, modseq: ModSeq) {
    out.put(b"MODSEQ (");
    out.number(modseq.0);
    out.put(b")");
}

/// `FLAGS (…)`.
pub(crate) fn fetch_flags(out: &mut Output, flags: Flags, keywords: &[Arc<str>], recent: bool) {
    out.put(b"FLAGS (");
    let mut space: &[u8] = b"";
    for (flag, name) in SystemFlags::TABLE {
        if flags.system.has(flag) {
            out.put(space);
            out.put_str(name);
            space = b" ";
        }
    }
    if recent {
        out.put(space);
        out.put(b"\\Recent");
        space = b" ";
    }
    if flags.keywords != 0 {
        for name in flags.names(keywords) {
            out.put(space);
            out.put_str(name);
            space = b" ";
        }
    }
    out.put(b")");
}

/// A mailbox name: modified UTF-7 unless the client speaks UTF-8 (RFC 9051 §5.1, Appendix A).
pub(crate) fn mailbox(out: &mut Output, name: &MailboxName, utf8: bool) {
    out.string(name.to_wire(utf8).as_bytes(), utf8);
}

/// `NAME (id)` (RFC 8474 §5).
pub(crate) fn ok_id(out: &mut Output, name: &str, id: &dyn core::fmt::Display) {
    // Writing to `Output` cannot fail.
    let _ = write!(out, "{name} ({id})");
}

/// `* NO text`: a warning (RFC 9051 §7.1.2); the text may begin with a response code.
pub(crate) fn warning(out: &mut Output, text: &str) {
    out.put(b"* NO ");
    out.put_str(text);
    out.put(b"\r\n");
}

/// `* OK [code] text`.
pub(crate) fn ok_code(out: &mut Output, code: core::fmt::Arguments<'_>, text: &str) {
    // Writing to `Output` cannot fail.
    let _ = write!(out, "* OK [{code}] {text}\r\n");
}
