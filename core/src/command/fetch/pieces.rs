//! A decoded part that is asked for in pieces: what one piece found out, so that the next need not decode all of it again.

use super::section::{Content, Filter, Recipe};
use crate::id::Uid;
use crate::message::{Encoding, Span};

/// A place in a part: the next octet of the message, and what came of those before it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub at: u64,
    /// Octets that the filter gave so far.
    pub passed: u64,
    pub filter: Filter,
}

impl Place {
    /// Where the content begins.
    pub(super) fn start(content: &Content) -> Self {
        Self {
            at: content.span.start,
            passed: 0,
            filter: Filter::new(&content.recipe),
        }
    }
}

/// What is known of the part that was asked for last, and a place to go on from.
#[derive(Debug)]
pub(crate) struct Known {
    uid: Uid,
    span: Span,
    encoding: Encoding,
    text: bool,
    /// Octets of the whole part once it is decoded, and whether NUL is among them.
    pub(super) size: u64,
    pub(super) has_nul: bool,
    pub(super) place: Place,
}

impl Known {
    /// What to remember of a part, if it was asked for in pieces.
    pub(super) fn new(
        uid: Uid,
        content: &Content,
        size: u64,
        has_nul: bool,
        place: Place,
    ) -> Option<Self> {
        let (encoding, text) = in_pieces(&content.recipe)?;
        Some(Self {
            uid,
            span: content.span,
            encoding,
            text,
            size,
            has_nul,
            place,
        })
    }

    /// Whether it is this part.
    pub(super) fn is_of(&self, uid: Uid, content: &Content) -> bool {
        self.uid == uid
            && self.span == content.span
            && in_pieces(&content.recipe) == Some((self.encoding, self.text))
    }
}

/// How the part is decoded, if it is asked for in pieces.
pub(super) fn in_pieces(recipe: &Recipe) -> Option<(Encoding, bool)> {
    match recipe {
        Recipe::Binary {
            encoding,
            text,
            partial: Some(_),
            ..
        } => Some((*encoding, *text)),
        _ => None,
    }
}
