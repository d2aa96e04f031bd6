//! Response codes that name messages: all of a mailbox, perhaps, so that they are written as there is room for them.

use alloc::vec::Vec;
use core::fmt::Write;

use crate::id::{Uid, UidValidity};
use crate::view::{Blocks, Next, Numbers, View};
use crate::wire::output::Output;

/// A response code with its brackets and a space, and how much of it is written.
#[derive(Debug)]
pub(crate) struct Code {
    names: Names,
    begun: bool,
    /// Whether something of the set being written is.
    comma: bool,
}

#[derive(Debug)]
enum Names {
    Appended(UidValidity, Paired<Uid>),
    Copied(UidValidity, Paired<(Uid, Uid)>),
    Modified(Numbers),
}

/// UIDs in the order given: sets pair by position (RFC 4315 §3).
#[derive(Debug)]
struct Paired<T> {
    list: Vec<T>,
    /// Where the set being written goes on.
    at: usize,
    /// The sources are written.
    copies: bool,
}

impl Code {
    /// `[APPENDUID validity uids] ` (RFC 4315 §3).
    pub(crate) fn appended(validity: UidValidity, uids: Vec<Uid>) -> Self {
        Self::new(Names::Appended(validity, Paired::new(uids)))
    }

    /// `[COPYUID validity sources copies] ` (RFC 4315 §3); nothing if nothing was copied.
    pub(crate) fn copied(validity: UidValidity, uids: Vec<(Uid, Uid)>) -> Option<Self> {
        (!uids.is_empty()).then(|| Self::new(Names::Copied(validity, Paired::new(uids))))
    }

    /// `[MODIFIED set] ` (RFC 7162 §3.1.3); `uid`: by UID, else by sequence number.
    pub(crate) fn modified(uid: bool, refused: Blocks) -> Self {
        Self::new(Names::Modified(Numbers::new(uid, refused)))
    }

    fn new(names: Names) -> Self {
        Self {
            names,
            begun: false,
            comma: false,
        }
    }

    /// Writes until so many octets wait to be sent, or others are to have their turn; `true`: that was all.
    pub(crate) fn write(&mut self, out: &mut Output, view: Option<&View>, room: usize) -> bool {
        if !core::mem::replace(&mut self.begun, true) {
            self.begin(out);
        }
        while out.len() < room {
            match self.next(view) {
                Next::Range(first, last) => {
                    if core::mem::replace(&mut self.comma, true) {
                        out.put(b",");
                    }
                    super::set(out, &[(first, last)]);
                }
                Next::Later => return false,
                Next::End if self.turns() => {
                    self.comma = false;
                    out.put(b" ");
                }
                Next::End => {
                    out.put(b"] ");
                    return true;
                }
            }
        }
        false
    }

    fn begin(&self, out: &mut Output) {
        // Writing to `Output` cannot fail.
        let _ = match &self.names {
            Names::Appended(validity, _) => write!(out, "[APPENDUID {} ", validity.0),
            Names::Copied(validity, _) => write!(out, "[COPYUID {} ", validity.0),
            Names::Modified(_) => write!(out, "[MODIFIED "),
        };
    }

    fn next(&mut self, view: Option<&View>) -> Next {
        let range = match &mut self.names {
            Names::Appended(_, uids) => uids.next(|uid, _| uid.get()),
            Names::Copied(_, pairs) => pairs.next(|(source, copy), copies| match copies {
                true => copy.get(),
                false => source.get(),
            }),
            Names::Modified(numbers) => return numbers.next(view),
        };
        range.map_or(Next::End, |(first, last)| Next::Range(first, last))
    }

    /// Goes on to the second set, if there is one.
    fn turns(&mut self) -> bool {
        match &mut self.names {
            Names::Copied(_, pairs) if !pairs.copies => {
                (pairs.at, pairs.copies) = (0, true);
                true
            }
            _ => false,
        }
    }
}

impl<T: Copy> Paired<T> {
    fn new(list: Vec<T>) -> Self {
        Self {
            list,
            at: 0,
            copies: false,
        }
    }

    /// The next UIDs that follow each other.
    fn next(&mut self, uid: impl Fn(T, bool) -> u32) -> Option<(u32, u32)> {
        let mut uids = self.list[self.at..]
            .iter()
            .map(|&item| uid(item, self.copies));
        let first = uids.next()?;
        let mut last = first;
        let more = uids
            .take_while(|&uid| {
                let follows = last.checked_add(1) == Some(uid);
                if follows {
                    last = uid;
                }
                follows
            })
            .count();
        self.at += 1 + more;
        Some((first, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;
    use core::num::NonZeroU32;
    use proptest::prelude::*;

    use crate::set::UidSet;

    const VALIDITY: UidValidity = UidValidity(NonZeroU32::MIN);

    fn uid(n: u32) -> Uid {
        Uid::new(n).unwrap()
    }

    /// What a code says, and the most octets that waited at once.
    fn said(mut code: Code, view: Option<&View>, room: usize) -> (String, usize) {
        let (mut text, mut most) = (String::new(), 0);
        loop {
            let mut out = Output::default();
            let all = code.write(&mut out, view, room);
            most = most.max(out.len());
            out.chunks()
                .for_each(|c| text.push_str(core::str::from_utf8(c).unwrap()));
            if all {
                return (text, most);
            }
        }
    }

    #[test]
    fn sets_pair_by_position() {
        let pairs = [(1, 10), (2, 11), (4, 12), (5, 13), (9, 20)];
        let pairs: Vec<_> = pairs.iter().map(|&(a, b)| (uid(a), uid(b))).collect();
        let code = Code::copied(VALIDITY, pairs).unwrap();
        assert_eq!(
            said(code, None, usize::MAX).0,
            "[COPYUID 1 1:2,4:5,9 10:13,20] "
        );
        assert!(Code::copied(VALIDITY, vec![]).is_none());
        let code = Code::appended(VALIDITY, vec![uid(7), uid(8), uid(6), uid(u32::MAX)]);
        assert_eq!(
            said(code, None, usize::MAX).0,
            "[APPENDUID 1 7:8,6,4294967295] "
        );
    }

    /// One range that is worked out of very many is whole, and others have their turn meanwhile.
    #[test]
    fn a_range_of_many_is_written_whole() {
        let uids = UidSet::from_ranges((1..=100_000).map(|n| (3 * n, 3 * n)));
        let view = View::new(&uids);
        let mut code = Code::modified(false, Blocks::new(&uids));
        let mut out = Output::default();
        assert!(!code.write(&mut out, Some(&view), usize::MAX));
        let (rest, _) = said(code, Some(&view), usize::MAX);
        assert_eq!((out.len(), rest.as_str()), (10, "1:100000] "));
    }

    proptest! {
        #[test]
        fn slices_say_the_same(
            uids in proptest::collection::btree_set(1u32..500, 1..100),
            refused in proptest::collection::vec((1u32..500, 1u32..500), 1..20),
            room in 1usize..60,
        ) {
            let set: UidSet = uids.iter().map(|&n| uid(n)).collect();
            let view = View::new(&set);
            let refused = view.intersect(&UidSet::from_ranges(refused));
            let pairs: Vec<_> = set.iter().zip((1..).step_by(2).map(uid)).collect();
            let codes = || [
                Code::copied(VALIDITY, pairs.clone()).unwrap(),
                Code::appended(VALIDITY, set.iter().collect()),
                Code::modified(true, Blocks::new(&refused)),
                Code::modified(false, Blocks::new(&refused)),
            ];
            for (whole, slices) in codes().into_iter().zip(codes()) {
                let (slices, most) = said(slices, Some(&view), room);
                prop_assert_eq!(&slices, &said(whole, Some(&view), usize::MAX).0);
                prop_assert!(most < room + 32, "{} octets waited", most);
            }
            let seqs = UidSet::from_ranges(view.seqs_of(&refused));
            let modified = said(Code::modified(false, Blocks::new(&refused)), Some(&view), room).0;
            prop_assert_eq!(modified, alloc::format!("[MODIFIED {seqs}] "));
        }
    }
}
