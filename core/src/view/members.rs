//! What one block of a set holds: runs or a bitmap, whichever takes less memory.

use alloc::boxed::Box;

/// UIDs of one block.
pub(super) const SPAN: u32 = 4096;
/// Words of a bitmap.
const WORDS: usize = SPAN as usize / 64;
/// Runs that take as much memory as a bitmap.
pub(super) const RUNS: usize = WORDS * 8 / 4;

/// Which offsets from a block's base are in the set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Members {
    /// Inclusive ranges.
    Runs(Box<[(u16, u16)]>),
    Bits(Box<[u64; WORDS]>),
}

impl Members {
    pub(super) fn new(runs: &[(u16, u16)]) -> Self {
        if runs.len() <= RUNS {
            return Self::Runs(runs.into());
        }
        let mut bits = Box::new([0; WORDS]);
        for offset in runs.iter().flat_map(|&(a, b)| a..=b) {
            bits[usize::from(offset / 64)] |= 1 << (offset % 64);
        }
        Self::Bits(bits)
    }

    pub(super) fn len(&self) -> u32 {
        self.rank(SPAN)
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Runs(runs) if runs.is_empty())
    }

    pub(super) fn contains(&self, offset: u16) -> bool {
        match self {
            Self::Runs(runs) => {
                let at = runs.partition_point(|r| r.1 < offset);
                runs.get(at).is_some_and(|r| r.0 <= offset)
            }
            Self::Bits(bits) => bits[usize::from(offset / 64)] >> (offset % 64) & 1 == 1,
        }
    }

    /// How many offsets are below this one, which may be beyond the block.
    pub(super) fn rank(&self, offset: u32) -> u32 {
        match self {
            Self::Runs(runs) => {
                let below = runs.iter().take_while(|r| u32::from(r.0) < offset);
                below
                    .map(|&(a, b)| offset.min(u32::from(b) + 1) - u32::from(a))
                    .sum()
            }
            Self::Bits(bits) => {
                let word = (offset / 64) as usize;
                let Some(part) = bits.get(word) else {
                    return bits.iter().map(|w| w.count_ones()).sum();
                };
                let whole: u32 = bits[..word].iter().map(|w| w.count_ones()).sum();
                whole + (part & ((1 << (offset % 64)) - 1)).count_ones()
            }
        }
    }

    /// The offset that has `n` others below it.
    pub(super) fn nth(&self, mut n: u32) -> Option<u16> {
        match self {
            Self::Runs(runs) => runs.iter().find_map(|&(first, last)| {
                let here = u32::from(last - first) + 1;
                let found = (n < here).then(|| u32::from(first) + n);
                n = n.saturating_sub(here);
                // Less than SPAN, which a u16 holds.
                found.and_then(|offset| u16::try_from(offset).ok())
            }),
            Self::Bits(bits) => bits.iter().enumerate().find_map(|(word, &ones)| {
                let here = ones.count_ones();
                let found = (n < here).then(|| word as u32 * 64 + nth_one(ones, n));
                n = n.saturating_sub(here);
                // Less than SPAN, which a u16 holds.
                found.and_then(|bit| u16::try_from(bit).ok())
            }),
        }
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        let (runs, bits) = match self {
            Self::Runs(runs) => (&runs[..], None),
            Self::Bits(bits) => (&[][..], Some(bit_runs(bits))),
        };
        runs.iter().copied().chain(bits.into_iter().flatten())
    }
}

/// The runs of ones.
fn bit_runs(bits: &[u64; WORDS]) -> impl Iterator<Item = (u16, u16)> + '_ {
    let mut at = 0;
    core::iter::from_fn(move || {
        let first = next_bit(bits, at, 0)?;
        let end = next_bit(bits, first, u64::MAX).unwrap_or(SPAN as u16);
        at = end;
        Some((first, end - 1))
    })
}

/// The first one at or after `from`; of the words' complements when `flip` is all ones.
fn next_bit(bits: &[u64; WORDS], from: u16, flip: u64) -> Option<u16> {
    let mut word = usize::from(from / 64);
    let mut ones = (bits.get(word)? ^ flip) & (u64::MAX << (from % 64));
    while ones == 0 {
        word += 1;
        ones = bits.get(word)? ^ flip;
    }
    // Less than SPAN, which a u16 holds.
    u16::try_from(word as u32 * 64 + ones.trailing_zeros()).ok()
}

/// The place of the one that has `n` others below it; there are more than `n`.
fn nth_one(ones: u64, n: u32) -> u32 {
    (0..n)
        .fold(ones, |ones, _| ones & (ones - 1))
        .trailing_zeros()
}
