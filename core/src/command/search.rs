//! SEARCH and UID SEARCH (RFC 9051 §6.4.4; RFC 4731, RFC 5182, RFC 7162 §3.1.5).

mod answer;

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ast::{self, ReturnOptions, SearchKey, SearchStep, SequenceSet};
use crate::command::{completed, no_such_message, reply};
use crate::effect;
use crate::id::ModSeq;
use crate::message::{Charset, decode_search, search_charset};
use crate::search::{Leaf, Program, Step as ProgramStep};
use crate::session::{Done, Input, Session, Step, Task};
use crate::set::UidSet;
use crate::view::Blocks;
use answer::{Answer, Written};

/// Windows over the view, merged.
#[derive(Debug)]
struct Searching {
    uid: bool,
    result: Option<ReturnOptions>,
    modseq: bool,
    program: Arc<Program>,
    found: Blocks,
    highest: ModSeq,
    /// What is being searched now, so many messages at the most.
    among: UidSet,
    most: u64,
    /// What was looked up besides, and where the view goes on behind it.
    left: UidSet,
    next: Option<u32>,
    /// The modseqs of the first and the last found are asked for.
    edges: bool,
    answer: Option<Answer>,
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
    let mut searching = Searching {
        uid,
        result: search.result,
        modseq: search.modseq,
        most: (TEXTS / (1 + octets(&program))).max(1),
        program,
        found: Blocks::default(),
        highest: ModSeq(0),
        among: UidSet::new(),
        left: UidSet::new(),
        next: Some(1),
        edges: false,
        answer: None,
    };
    let _ = searching.go_on(s);
    Step::Become(Box::new(searching))
}

/// The keys with sets resolved and texts decoded: nothing of the session is left in it.
fn program(s: &Session, keys: &[SearchStep], charset: Charset) -> Result<Program, Done> {
    let mut saved = None;
    let mut steps = Vec::with_capacity(keys.len());
    for key in keys {
        steps.push(match key {
            SearchStep::Key(SearchKey::Sequence(SequenceSet::Saved))
            | SearchStep::Key(SearchKey::Uid(SequenceSet::Saved)) => {
                // However often it is named, it is held once.
                let saved = saved.get_or_insert_with(|| Arc::new(s.saved.to_set()));
                ProgramStep::Test(Leaf::Uids(saved.clone()))
            }
            SearchStep::Key(key) => ProgramStep::Test(leaf(s, key, charset)?),
            SearchStep::Not => ProgramStep::Not,
            SearchStep::And => ProgramStep::And,
            SearchStep::Or => ProgramStep::Or,
        });
    }
    Ok(Program {
        steps,
        header: s.config.limits.search_header,
    })
}

/// A client's set as it stands, not message by message: only what is in the view is searched anyway.
fn spans(s: &Session, uid: bool, set: &SequenceSet) -> Result<Leaf, Done> {
    let (Some(selected), SequenceSet::Ranges(ranges)) = (&s.selected, set) else {
        return Ok(Leaf::Uids(Arc::default()));
    };
    let spans = match uid {
        true => Ok(selected.view.spans_of_uid(ranges)),
        false => selected.view.spans_of_seq(ranges),
    };
    spans
        .map(|set| Leaf::Uids(Arc::new(set)))
        .map_err(|_| no_such_message())
}

/// Octets of texts that are made ready at once, for each message anew: the store is asked about fewer messages where there are more, and others have
/// their turn between its answers.
const TEXTS: u64 = 1 << 20;

/// Octets of all texts to look for.
fn octets(program: &Program) -> u64 {
    let texts = program.steps.iter().map(|step| match step {
        ProgramStep::Test(Leaf::Header(_, text) | Leaf::Body(text) | Leaf::Text(text)) => {
            text.len() as u64
        }
        _ => 0,
    });
    texts.sum()
}

fn leaf(s: &Session, key: &SearchKey, charset: Charset) -> Result<Leaf, Done> {
    let text = |octets: &[u8]| match decode_search(octets, charset) {
        Some(text) => Ok(text),
        None => Err(Done::bad("The text to search for is not in its charset")),
    };
    Ok(match key {
        SearchKey::All => Leaf::All,
        SearchKey::Sequence(set) => spans(s, false, set)?,
        SearchKey::Uid(set) => spans(s, true, set)?,
        SearchKey::Flag(flag) => Leaf::Flag(*flag),
        SearchKey::Recent => {
            let recent = s.selected.as_ref().map(|m| m.recent.clone());
            Leaf::Uids(Arc::new(recent.unwrap_or_default()))
        }
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
        SearchKey::EmailId(None) | SearchKey::ThreadId(None) => Leaf::Uids(Arc::default()),
    })
}

impl Searching {
    /// Searches the next window, or answers.
    fn go_on(&mut self, s: &mut Session) -> Step {
        let Some(selected) = &s.selected else {
            return Step::Gone;
        };
        if self.among.is_empty() {
            while let (true, Some(next)) = (self.left.is_empty(), self.next) {
                (self.left, self.next) = selected.view.window(next);
            }
            let rest = self.left.split_off_after(self.most);
            self.among = core::mem::replace(&mut self.left, rest);
        }
        if self.among.is_empty() {
            return self.finish(s);
        }
        s.ask(effect::Search {
            actor: s.actor(),
            mailbox: selected.mailbox,
            uids: self.among.clone(),
            program: self.program.clone(),
        })
    }

    fn page(&mut self, s: &mut Session, page: &effect::SearchPage) -> Step {
        self.found.insert_all(&page.uids);
        self.highest = self.highest.max(page.highest_modseq);
        self.among = match page.resume {
            Some(uid) => {
                let rest = UidSet::range(uid, crate::id::Uid::MAX);
                self.among.intersection(&rest)
            }
            None => UidSet::new(),
        };
        self.go_on(s)
    }

    fn finish(&mut self, s: &mut Session) -> Step {
        let edges = self.result.is_some_and(|r| r.min || r.max) && !self.whole();
        let (Some(selected), true) = (&s.selected, self.modseq && edges && self.found.len() > 0)
        else {
            return self.answer(s);
        };
        self.edges = true;
        s.ask(effect::Fetch {
            actor: s.actor(),
            mailbox: selected.mailbox,
            uids: ends(self.result.unwrap_or_default(), &self.found),
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
                self.answer(s)
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

    /// Begins the answer, which is written as there is room for it.
    fn answer(&mut self, s: &mut Session) -> Step {
        let found = core::mem::take(&mut self.found);
        if let Some(options) = self.result.filter(|r| r.save) {
            s.saved = match self.whole() || !(options.min || options.max) {
                true => found.clone(),
                // MIN and MAX alone save only those (RFC 5182 §2.1).
                false => Blocks::new(&ends(options, &found)),
            };
        }
        let all = ReturnOptions {
            all: true,
            ..ReturnOptions::default()
        };
        let options = self.result.or_else(|| s.enabled.rev2.then_some(all));
        let modseq = (self.modseq && found.len() > 0).then_some(self.highest);
        self.answer = match options {
            None => {
                s.out.put(b"* SEARCH");
                Some(Answer::numbers(self.uid, found, modseq))
            }
            Some(options) if only_saves(options) => None,
            Some(options) => {
                self.begin_esearch(s, options, &found);
                Some(Answer::set(self.uid, options, found, modseq))
            }
        };
        Step::Again
    }

    fn begin_esearch(&self, s: &mut Session, options: ReturnOptions, found: &Blocks) {
        let tag = s.tag();
        s.out.put(b"* ESEARCH (TAG ");
        s.out.string(&tag, false);
        s.out.put(b")");
        if self.uid {
            s.out.put(b" UID");
        }
        let (first, last) = (found.nth(0), found.last());
        for (wanted, name, uid) in [(options.min, " MIN ", first), (options.max, " MAX ", last)] {
            let number = uid.and_then(|uid| number(s, self.uid, uid));
            if let (true, Some(number)) = (wanted, number) {
                s.out.put_str(name);
                s.out.number(u64::from(number));
            }
        }
        if options.all && found.len() > 0 {
            s.out.put(b" ALL ");
        }
    }
}

fn only_saves(options: ReturnOptions) -> bool {
    options.save && !(options.min || options.max || options.all || options.count)
}

/// What a message is called in the answer.
fn number(s: &Session, uid: bool, found: crate::id::Uid) -> Option<u32> {
    match uid {
        true => Some(found.get()),
        false => s.selected.as_ref()?.view.seq_of(found),
    }
}

/// The first and the last found, as far as they are asked for.
fn ends(options: ReturnOptions, found: &Blocks) -> UidSet {
    let first = found.nth(0).filter(|_| options.min);
    let last = found.last().filter(|_| options.max);
    first.into_iter().chain(last).collect()
}

impl Task for Searching {
    fn step(&mut self, s: &mut Session, input: Input) -> Step {
        let Input::Reply(outcome) = input else {
            let answer = self.answer.as_mut();
            return match answer.map_or(Written::All, |answer| answer.write(s)) {
                Written::All => Step::Done(completed(self.uid, "SEARCH")),
                Written::Full => Step::Again,
                Written::Later => Step::Yield,
            };
        };
        if self.edges {
            return self.edges(s, outcome);
        }
        match reply::<effect::Search>(outcome) {
            Ok(page) => self.page(s, &page),
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
