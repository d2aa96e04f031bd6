//! What the items of a FETCH ask for: of the answer, of the store, and whether they set \Seen.

use alloc::vec::Vec;

use crate::ast::{FetchItem, SectionText, SeqNumber, SequenceSet};
use crate::effect::Fields;
use crate::id::Uid;
use crate::set::UidSet;

/// UID FETCH answers with UID, CHANGEDSINCE with MODSEQ, asked for or not (RFC 9051 §6.4.9, RFC 7162 §3.1.4.1).
pub(super) fn with_implied(mut items: Vec<FetchItem>, uid: bool, modseq: bool) -> Vec<FetchItem> {
    if uid && !items.contains(&FetchItem::Uid) {
        items.insert(0, FetchItem::Uid);
    }
    if modseq && !items.contains(&FetchItem::ModSeq) {
        items.push(FetchItem::ModSeq);
    }
    items
}

/// Whether \Seen is set by it (RFC 9051 §6.4.5).
pub(super) fn sets_seen(item: &FetchItem) -> bool {
    matches!(
        item,
        FetchItem::Section { peek: false, .. } | FetchItem::Binary { peek: false, .. }
    )
}

/// What the store is asked for, from what the client asks for.
pub(super) fn fields(items: &[FetchItem]) -> Fields {
    let mut fields = Fields::default();
    for item in items {
        fields = fields.with(match item {
            FetchItem::Flags | FetchItem::Uid | FetchItem::ModSeq => Fields::default(),
            FetchItem::InternalDate
            | FetchItem::Size
            | FetchItem::SaveDate
            | FetchItem::EmailId
            | FetchItem::ThreadId => Fields::META,
            FetchItem::Envelope => Fields::ENVELOPE,
            FetchItem::Body => Fields::BODY,
            FetchItem::BodyStructure => Fields::BODY_STRUCTURE,
            FetchItem::Section { section, .. } if section.path.is_empty() => match section.text {
                SectionText::Whole => Fields::META.with(Fields::INLINE),
                SectionText::Header | SectionText::Fields { .. } => Fields::HEADER,
                SectionText::Text | SectionText::Mime => {
                    Fields::META.with(Fields::STRUCTURE).with(Fields::INLINE)
                }
            },
            FetchItem::Section { .. } | FetchItem::Binary { .. } | FetchItem::BinarySize(_) => {
                Fields::META.with(Fields::STRUCTURE).with(Fields::INLINE)
            }
        });
    }
    fields
}

/// Whether more is asked for than the index alone can say.
pub(super) fn needs_content(fields: Fields) -> bool {
    fields.0 & !Fields::META.0 != 0
}

/// A client's set as plain numbers, `*` being this UID.
pub(super) fn numbers(set: &SequenceSet, last: Option<Uid>) -> UidSet {
    let SequenceSet::Ranges(ranges) = set else {
        return UidSet::new();
    };
    let last = last.map_or(1, Uid::get);
    let number = |n: &SeqNumber| match n {
        SeqNumber::Number(n) => n.get(),
        SeqNumber::Last => last,
    };
    UidSet::from_ranges(ranges.iter().map(|(a, b)| (number(a), number(b))))
}
