//! SEARCH and UID SEARCH (RFC 9051 §6.4.4; RFC 4731, RFC 5182, RFC 7162 §3.1.5).

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ast::{self, ReturnOptions, SearchKey, SearchStep};
use crate::command::{completed, reply, resolve};
use crate::effect;
use crate::id::ModSeq;
use crate::message::{Charset, decode_search, search_charset};
use crate::response;
use crate::search::{Leaf, Program, Step as ProgramStep};
use crate::session::{Done, Input, Session, Step, Task};
use crate::set::UidSet;
use crate::view::Blocks;

/// Windows over the view, merged.
#[derive(Debug)]
struct Searching {
    uid: bool,
    result: Option<ReturnOptions>,
    modseq: bool,
    program: Arc<Program>,
    found: UidSet,
    highest: ModSeq,
    among: UidSet,
    /// The modseqs of the first and the last found are asked for.
    edges: bool,
}

/// The charsets named in BADCHARSET; more names of them are understood.
const CHARSETS: &str = "US-ASCII UTF-8 ISO-8859-1 ISO-8859-2 ISO-8859-3 ISO-8859-4 ISO-8859-5 ISO-8859-6 ISO-8859-7 ISO-8859-8 ISO-8859-10 \
ISO-8859-13 ISO-8859-14 ISO-8859-15 ISO-8859-16 WINDOWS-1250 WINDOWS-1251 WINDOWS-1252 WINDOWS-1253 WINDOWS-1254 WINDOWS-1255 WINDOWS-1256 \
WINDOWS-1257 WINDOWS-1258 WINDOWS-874 KOI8-R KOI8-U IBM866 MACINTOSH GB2312 GBK GB18030 BIG5 EUC-JP ISO-2022-JP SHIFT_JIS EUC-KR";

pub(crate) fn begin(s: &mut Session, uid: bool, search: ast::Search) -> Step {
    let Some(charset) = search_charset(search.charset.as_deref().unwrap_or("UTF-8")) else {
        if search.result.is_some_and(|r| r.save) {
            s.saved = Blocks::default();
        }
        return Step::Done(Done::no(format!(
            "[BADCHARSET ({CHARSETS})] Search in UTF-8"
        )));
    };
    if search.modseq {
        s.enable_condstore();
    }
    let program = match program(s, &search.keys, charset) {
        Ok(program) => Arc::new(program),
        Err(done) => return Step::Done(done),
    };
    let among = s
        .selected
        .as_ref()
        .map(|m| m.view.uids())
        .unwrap_or_default();
    let mut searching = Searching {
        uid,
        result: search.result,
        modseq: search.modseq,
        program,
        found: UidSet::new(),
        highest: ModSeq(0),
        among,
        edges: false,
    };
    if searching.among.is_empty() {
        return Step::Done(searching.done(s));
    }
    let _ = searching.ask(s);
    Step::Become(Box::new(searching))
}

/// The keys with sets resolved and texts decoded: nothing of the session is left in it.
fn program(s: &Session, keys: &[SearchStep], charset: Charset) -> Result<Program, Done> {
    let mut steps = Vec::with_capacity(keys.len());
    for key in keys {
        steps.push(match key {
            SearchStep::Key(key) => ProgramStep::Test(leaf(s, key, charset)?),
            SearchStep::Not => ProgramStep::Not,
            SearchStep::And => ProgramStep::And,
            SearchStep::Or => ProgramStep::Or,
        });
    }
    Ok(Program { steps })
}

fn leaf(s: &Session, key: &SearchKey, charset: Charset) -> Result<Leaf, Done> {
    let text = |octets: &[u8]| match decode_search(octets, charset) {
        Some(text) => Ok(text),
        None => Err(Done::bad("The text to search for is not in its charset")),
    };
    Ok(match key {
        SearchKey::All => Leaf::All,
        SearchKey::Sequence(set) => Leaf::Uids(resolve(s, false, set)?),
        SearchKey::Uid(set) => Leaf::Uids(resolve(s, true, set)?),
        SearchKey::Flag(flag) => Leaf::Flag(*flag),
        SearchKey::Recent => Leaf::Uids(
            s.selected
                .as_ref()
                .map(|m| m.recent.clone())
                .unwrap_or_default(),
        ),
        SearchKey::Keyword(keyword) => Leaf::Keyword(keyword.clone()),
        SearchKey::Larger(n) => Leaf::Larger(*n),
        SearchKey::Smaller(n) => Leaf::Smaller(*n),
        SearchKey::Internal(when, date) => Leaf::Internal(*when, *date),
        SearchKey::Sent(when, date) => Leaf::Sent(*when, *date),
        SearchKey::Saved(when, date) => Leaf::Saved(*when, *date),
        SearchKey::Header(name, value) => {
            let name = name.iter().map(|b| char::from(*b)).collect();
            Leaf::Header(name, text(value)?)
        }
        SearchKey::Body(value) => Leaf::Body(text(value)?),
        SearchKey::Text(value) => Leaf::Text(text(value)?),
        SearchKey::ModSeq(modseq) => Leaf::ModSeq(*modseq),
        SearchKey::EmailId(Some(id)) => Leaf::EmailId(*id),
        SearchKey::ThreadId(Some(id)) => Leaf::ThreadId(*id),
        SearchKey::EmailId(None) | SearchKey::ThreadId(None) => Leaf::Uids(UidSet::new()),
    })
}

impl Searching {
    fn ask(&mut self, s: &mut Session) -> Step {
        let Some(selected) = &s.selected else {
            return Step::Gone;
        };
        let uids = self.among.clone();
        s.ask(effect::Search {
            actor: s.actor(),
            mailbox: selected.mailbox,
            uids,
            program: self.program.clone(),
        })
    }

    fn finish(&mut self, s: &mut Session) -> Step {
        let edges = self.result.is_some_and(|r| r.min || r.max) && !self.whole();
        let (Some(selected), true) = (&s.selected, self.modseq && edges && !self.found.is_empty())
        else {
            return Step::Done(self.done(s));
        };
        self.edges = true;
        s.ask(effect::Fetch {
            actor: s.actor(),
            mailbox: selected.mailbox,
            uids: saved(self.result.unwrap_or_default(), &self.found),
            changed_since: None,
            fields: effect::Fields::default(),
            inline: 0,
            budget: s.config.limits.fetch_page,
        })
    }

    /// Whether all that was found counts, not only the first and the last.
    fn whole(&self) -> bool {
        self.result.is_none_or(|r| r.all || r.count)
    }

    /// MODSEQ is that of the messages told, if those are the first and the last alone (RFC 4731 §3.2).
    fn edges(&mut self, s: &mut Session, outcome: effect::Outcome) -> Step {
        match reply::<effect::Fetch>(outcome) {
            Ok(page) => {
                let told = page.rows.iter().map(|row| row.modseq).max();
                self.highest = told.unwrap_or(self.highest);
                Step::Done(self.done(s))
            }
            Err(error) => self.failed(s, "Fetch", &error),
        }
    }

    /// A failed SEARCH with SAVE leaves `$` empty (RFC 5182 §2.1).
    fn failed(&self, s: &mut Session, operation: &'static str, error: &effect::StoreError) -> Step {
        if self.result.is_some_and(|r| r.save) {
            s.saved = Blocks::default();
        }
        Step::Done(s.failed(operation, error))
    }

    fn done(&mut self, s: &mut Session) -> Done {
        // A message this client was told is gone is in no answer.
        let found = core::mem::take(&mut self.found);
        let saves = self.result.is_some_and(|r| r.save);
        if saves {
            s.saved = Blocks::new(&saved(self.result.unwrap_or_default(), &found));
        }
        let numbers = match &s.selected {
            Some(selected) if !self.uid => selected.view.seqs_of(&found),
            _ => found.ranges().to_vec(),
        };
        match self.result {
            Some(options) => self.write_esearch(s, options, &numbers),
            None if s.enabled.rev2 => {
                self.write_esearch(
                    s,
                    ReturnOptions {
                        all: true,
                        ..ReturnOptions::default()
                    },
                    &numbers,
                );
            }
            None => self.write_search(s, &numbers),
        }
        completed(self.uid, "SEARCH")
    }

    fn write_search(&self, s: &mut Session, numbers: &[(u32, u32)]) {
        s.out.put(b"* SEARCH");
        for n in numbers.iter().flat_map(|&(a, b)| a..=b) {
            s.out.put(b" ");
            s.out.number(u64::from(n));
        }
        if self.modseq && !numbers.is_empty() {
            s.out.put(b" (MODSEQ ");
            s.out.number(self.highest.0);
            s.out.put(b")");
        }
        s.out.put(b"\r\n");
    }

    fn write_esearch(&self, s: &mut Session, options: ReturnOptions, numbers: &[(u32, u32)]) {
        let only_save =
            options.save && !(options.min || options.max || options.all || options.count);
        if only_save {
            return;
        }
        let tag = s.tag();
        let out = &mut s.out;
        out.put(b"* ESEARCH (TAG ");
        out.string(&tag, false);
        out.put(b")");
        if self.uid {
            out.put(b" UID");
        }
        let (first, last) = (numbers.first(), numbers.last());
        if let (true, Some(first)) = (options.min, first) {
            out.put(b" MIN ");
            out.number(u64::from(first.0));
        }
        if let (true, Some(last)) = (options.max, last) {
            out.put(b" MAX ");
            out.number(u64::from(last.1));
        }
        if options.all && !numbers.is_empty() {
            out.put(b" ALL ");
            response::set(out, numbers);
        }
        if options.count {
            out.put(b" COUNT ");
            out.number(numbers.iter().map(|&(a, b)| u64::from(b - a) + 1).sum());
        }
        if self.modseq && !numbers.is_empty() {
            out.put(b" MODSEQ ");
            out.number(self.highest.0);
        }
        out.put(b"\r\n");
    }
}

/// What `$` will mean (RFC 5182 §2.1): MIN and MAX alone save only those.
fn saved(options: ReturnOptions, found: &UidSet) -> UidSet {
    if options.all || options.count || !(options.min || options.max) {
        return found.clone();
    }
    let first = found.first().filter(|_| options.min);
    let last = found.last().filter(|_| options.max);
    first.into_iter().chain(last).collect()
}

impl Task for Searching {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let Input::Reply(outcome) = input else {
            return Step::Input;
        };
        if self.edges {
            return self.edges(s, outcome);
        }
        match reply::<effect::Search>(outcome) {
            Ok(page) => {
                self.found = self.found.union(&page.uids);
                self.highest = self.highest.max(page.highest_modseq);
                match page.resume {
                    Some(uid) => {
                        self.among = self
                            .among
                            .intersection(&UidSet::range(uid, crate::id::Uid::MAX));
                        self.ask(s)
                    }
                    None => self.finish(s),
                }
            }
            Err(error) => self.failed(s, "Search", &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_charset_that_is_named_is_known() {
        assert!(
            CHARSETS
                .split(' ')
                .all(|name| search_charset(name).is_some())
        );
        for name in [
            "UTF-16",
            "UTF-7",
            "X-USER-DEFINED",
            "ISO-2022-KR",
            "",
            "X-NOTHING",
        ] {
            assert!(search_charset(name).is_none(), "{name}");
        }
    }
}
