//! What BODYSTRUCTURE and ENVELOPE say of a part, in wire form: six texts in one.

use alloc::vec::Vec;
use core::ops::Index;

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Word {
    /// `"type" "subtype"` of a leaf, `"subtype"` of a multipart.
    Media,
    Params,
    /// `id description encoding`.
    Fields,
    Md5,
    /// `disposition language location`.
    Extension,
    /// ENVELOPE of the message this part is the root of.
    Envelope,
}

/// All of them; one that was not written is empty.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in super::super) struct Words {
    text: Vec<u8>,
    ends: [usize; Self::COUNT],
}

impl Words {
    pub(super) const COUNT: usize = 6;

    pub(in super::super) fn with_capacity(octets: usize) -> Self {
        Self {
            text: Vec::with_capacity(octets),
            ends: [0; Self::COUNT],
        }
    }

    /// The words in order.
    pub(super) fn of(words: [&[u8]; Self::COUNT]) -> Self {
        let mut end = 0;
        Self {
            text: words.concat(),
            ends: words.map(|word| {
                end += word.len();
                end
            }),
        }
    }

    /// Writes a word behind those that come before it.
    pub(in super::super) fn put(&mut self, word: Word, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.text);
        self.ends[word as usize..].fill(self.text.len());
    }

    /// Takes octets away from the beginning of the first word.
    pub(in super::super) fn cut(&mut self, octets: usize) {
        self.text.drain(..octets);
        self.ends.iter_mut().for_each(|end| *end -= octets);
    }

    /// Octets of all words.
    pub(in super::super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let word = &self.text[begin..*end];
            begin = *end;
            word
        })
    }
}

impl Index<Word> for Words {
    type Output = [u8];

    fn index(&self, word: Word) -> &[u8] {
        let at = word as usize;
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin..self.ends[at]]
    }
}
