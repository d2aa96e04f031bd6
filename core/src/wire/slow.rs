//! A slow reader of whole inputs, which the framer must agree with however its octets come. The fuzz target `frame` uses it too.

use alloc::string::String;
use alloc::vec::Vec;

use super::announce::Literal;
use super::frame::{Bounds, Frame, Framer, Refusal};
use super::taken::TakenAs;
use crate::limits::Limits;
use crate::parse::parse_tag;

/// Frames the octets whole, one by one and in pieces of seven: each must give what the slow reader finds. The bits of `choices` decide what
/// becomes of messages.
pub(crate) fn compare(octets: &[u8], bounds: Bounds, choices: u8) {
    for commands in [true, false] {
        let wanted = Slow::read(octets, bounds, commands, choices);
        for size in [octets.len().max(1), 1, 7] {
            assert_eq!(framed(octets, size, bounds, commands, choices), wanted);
        }
    }
}

/// Bounds that short inputs reach. A tag is found in what is left of any line that a configuration can forbid.
pub(crate) fn bounds(line: u8, command: u8, swallow: u8) -> Bounds {
    Bounds {
        line: 160 + usize::from(line),
        command: 160 + usize::from(command) * 2,
        swallow: u64::from(swallow),
        literals: u64::from(swallow) * 2,
        skip: 1000,
    }
}

/// A frame, and how many octets went before the next one.
#[derive(PartialEq, Eq, Debug)]
enum Told {
    Line(Vec<u8>, usize),
    Continue,
    Append(Vec<u8>, Literal, usize),
    Stream(Vec<u8>, usize),
    Refused(Option<Vec<u8>>, Refusal, usize),
    Lost(Option<Vec<u8>>, Refusal),
}

/// What a session does with a message's literal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Stream,
    Skip,
    /// It sends no `+`.
    Refuse,
    End,
}

fn choose(choices: u8, told: usize, literal: Literal, bounds: Bounds) -> Choice {
    match choices >> (told % 8) & 1 == 1 {
        true => Choice::Stream,
        false if literal.synchronizing => Choice::Refuse,
        false if literal.size <= bounds.swallow => Choice::Skip,
        false => Choice::End,
    }
}

fn tag(head: &[u8]) -> Option<Vec<u8>> {
    parse_tag(head, &Limits::default()).map(|(tag, _)| tag.to_vec())
}

fn framed(octets: &[u8], size: usize, bounds: Bounds, commands: bool, choices: u8) -> Vec<Told> {
    let mut framer = Framer::new();
    framer.note_taken();
    let (mut told, mut fed, mut taken, mut stream) = (Vec::new(), 0, 0, Vec::new());
    for chunk in octets.chunks(size) {
        framer.put(chunk);
        fed += chunk.len();
        while let Some(frame) = framer.next(bounds, commands) {
            let at = fed - framer.len();
            let noted = framer.taken();
            taken += noted.iter().map(|t| t.octets).sum::<usize>();
            assert_eq!(taken, at, "every octet is taken once");
            told.push(match frame {
                Frame::Line(line) => {
                    let kind = if commands {
                        TakenAs::Command
                    } else {
                        TakenAs::Line
                    };
                    assert_eq!(noted.last().map(|t| t.kind), Some(kind));
                    Told::Line(line.to_vec(), at)
                }
                Frame::Continue => Told::Continue,
                Frame::Append(piece, literal) => {
                    match choose(choices, told.len(), literal, bounds) {
                        Choice::Stream => framer.stream(literal.size),
                        Choice::Skip => framer.skip(literal.size),
                        Choice::Refuse => {}
                        Choice::End => return told,
                    }
                    Told::Append(piece.to_vec(), literal, at)
                }
                Frame::Chunk(chunk) => {
                    stream.extend_from_slice(&chunk);
                    continue;
                }
                Frame::ChunksEnd => Told::Stream(core::mem::take(&mut stream), at),
                Frame::Refused(head, refusal) => Told::Refused(tag(&head), refusal, at),
                Frame::Lost(head, refusal) => {
                    told.push(Told::Lost(tag(&head), refusal));
                    return told;
                }
            });
        }
    }
    told
}

/// Reads the whole input, by the rules and in no hurry.
struct Slow<'a> {
    input: &'a [u8],
    /// Where the command begins, and the line of it.
    command: usize,
    line: usize,
    bounds: Bounds,
    choices: u8,
    told: Vec<Told>,
}

impl<'a> Slow<'a> {
    fn read(input: &'a [u8], bounds: Bounds, commands: bool, choices: u8) -> Vec<Told> {
        let mut slow = Self {
            input,
            command: 0,
            line: 0,
            bounds,
            choices,
            told: Vec::new(),
        };
        while slow.step(commands).is_some() {}
        slow.told
    }

    /// `None`: there are no more octets, or none that can be told apart.
    fn step(&mut self, commands: bool) -> Option<()> {
        let found = self.line_end(self.line);
        // The octet behind a bound may be the CR of the line's end.
        let end = found.or(self.input.len().checked_sub(1))?;
        let line_at = self.line + self.bounds.line;
        let command_at = self.command + self.bounds.command;
        if found.is_none() && end <= line_at.min(command_at) {
            return None;
        }
        if end > line_at.min(command_at) {
            let refusal = match line_at <= command_at {
                true => Refusal::Line,
                false => Refusal::Command,
            };
            return self.skip(
                tag(&self.input[self.command..]),
                refusal,
                ((self.line - self.command) as u64, 0),
                self.line,
            );
        }
        let (size, synchronizing, digits) = match announced(&self.input[self.line..end]) {
            Some(announced) if commands => announced,
            _ => {
                let line = self.input[self.command..end].to_vec();
                self.told.push(Told::Line(line, end + 2));
                return self.go_on(end + 2);
            }
        };
        let head = tag(&self.input[self.command..]);
        if digits > 20 {
            self.told.push(Told::Lost(head, Refusal::Literal));
            return None;
        }
        let open = end - digits - 2 - usize::from(!synchronizing);
        let binary = self.input[self.line..open].ends_with(b"~");
        let before = &self.input[self.command..open - usize::from(binary)];
        let literal = Literal {
            size,
            synchronizing,
        };
        if is_message(before) {
            return self.message(before.to_vec(), literal, end + 2);
        }
        let fits =
            (end + 2 - self.command) as u64 + size.min(1 << 40) <= self.bounds.command as u64;
        if fits && (synchronizing || size <= self.bounds.swallow) {
            if synchronizing {
                self.told.push(Told::Continue);
            }
            self.line = (end + 2).checked_add(usize::try_from(size).ok()?)?;
            return (self.line < self.input.len()).then_some(());
        }
        if synchronizing {
            self.told
                .push(Told::Refused(head, Refusal::Literal, end + 2));
            return self.go_on(end + 2);
        }
        if size > self.bounds.swallow {
            self.told.push(Told::Lost(head, Refusal::Literal));
            return None;
        }
        self.skip(
            head,
            Refusal::Literal,
            (0, size),
            end + 2 + usize::try_from(size).ok()?,
        )
    }

    fn line_end(&self, from: usize) -> Option<usize> {
        let rest = self.input.get(from..)?;
        Some(from + rest.windows(2).position(|w| w == b"\r\n")?)
    }

    fn go_on(&mut self, at: usize) -> Option<()> {
        (self.command, self.line) = (at, at);
        (at < self.input.len()).then_some(())
    }

    fn message(&mut self, piece: Vec<u8>, literal: Literal, at: usize) -> Option<()> {
        let choice = choose(self.choices, self.told.len(), literal, self.bounds);
        if choice == Choice::End {
            return None;
        }
        self.told.push(Told::Append(piece, literal, at));
        if choice == Choice::Refuse {
            return self.go_on(at);
        }
        let end = at.checked_add(usize::try_from(literal.size).ok()?)?;
        match choice {
            Choice::Skip => self.skip(None, Refusal::Literal, (0, literal.size), end),
            _ => {
                let octets = self.input.get(at..end)?.to_vec();
                self.told.push(Told::Stream(octets, end));
                self.go_on(end)
            }
        }
    }

    /// From `at` on everything up to the command's end is dropped: so many octets of lines and of literals were before.
    fn skip(
        &mut self,
        head: Option<Vec<u8>>,
        refusal: Refusal,
        (mut skipped, mut swallowed): (u64, u64),
        mut at: usize,
    ) -> Option<()> {
        loop {
            let rest = self.input.len().checked_sub(at)?;
            let end = self.line_end(at);
            skipped += end.map_or(rest, |end| end + 2 - at) as u64;
            let announced = end.and_then(|end| announced(&self.input[at..end]));
            let lost = match announced {
                Some((_, _, digits)) if digits > 20 => true,
                Some((size, false, _)) => {
                    swallowed = size.saturating_add(swallowed);
                    size > self.bounds.swallow || swallowed > self.bounds.literals
                }
                _ => false,
            };
            if skipped > self.bounds.skip || lost {
                self.told.push(Told::Lost(head, refusal));
                return None;
            }
            let end = end?;
            match announced {
                Some((size, false, _)) => at = end + 2 + usize::try_from(size).ok()?,
                _ => {
                    self.told.push(Told::Refused(head, refusal, end + 2));
                    return self.go_on(end + 2);
                }
            }
        }
    }
}

/// The size a line announces at its end, whether `+` is waited for, and how many digits it has.
fn announced(line: &[u8]) -> Option<(u64, bool, usize)> {
    let inner = line.strip_suffix(b"}")?;
    let synchronizing = !inner.ends_with(b"+");
    let inner = inner.strip_suffix(b"+").unwrap_or(inner);
    let digits: String = inner
        .iter()
        .rev()
        .map_while(|b| b.is_ascii_digit().then_some(char::from(*b)))
        .collect();
    let size = digits
        .chars()
        .rev()
        .collect::<String>()
        .parse()
        .unwrap_or(u64::MAX);
    let begun = inner[..inner.len() - digits.len()].ends_with(b"{") && !digits.is_empty();
    (begun || digits.len() > 20).then_some((size, synchronizing, digits.len()))
}

/// A literal behind a tag, APPEND and something, or in a later piece of an APPEND, is a message.
fn is_message(before: &[u8]) -> bool {
    let text = String::from_utf8_lossy(before).to_ascii_uppercase();
    text.starts_with(' ')
        || text.split_once(' ').is_some_and(|(_, rest)| {
            rest.starts_with("APPEND ") && rest.len() > 7 && !text.starts_with(' ')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    /// What clients send, rightly and wrongly.
    const PIECES: [&[u8]; 24] = [
        b"a ",
        b"b NOOP\r\n",
        b"APPEND ",
        b"a append x {3}\r\nabc",
        b"a APPEND x {2+}\r\nab ~{1}\r\nx\r\n",
        b"INBOX ",
        b"{3}\r\n",
        b"{3+}\r\n",
        b"{0+}\r\n",
        b"~{2+}\r\n",
        b"{9+}\r\n",
        b"{150+}\r\n",
        b"{200}\r\n",
        b"{",
        b"5+}\r\n",
        b"{123456789012345678901}\r\n",
        b"{99999999999999999999+}\r\n",
        b"12345678901234567890123+}\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"xyz",
        &[b'y'; 90],
        &[b'z'; 170],
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        #[test]
        fn the_framer_agrees_with_a_slow_reader(
            pieces in proptest::collection::vec(0..PIECES.len(), 0..16),
            limits in any::<(u8, u8)>(),
            swallow in proptest::sample::select(&[0, 2, 3, 9, 75, 150, 255][..]),
            choices in any::<u8>(),
        ) {
            let octets: Vec<u8> = pieces.iter().flat_map(|at| PIECES[*at].iter().copied()).collect();
            compare(&octets, bounds(limits.0, limits.1, swallow), choices);
        }
    }

    #[test]
    fn a_literal_as_large_as_is_swallowed_is_swallowed() {
        let line = [b"a NOOP ", &[b'x'; 40][..], b" {150+}\r\n"].concat();
        for size in [149, 150, 151] {
            let octets = [&line[..], &vec![b'y'; size], b"\r\nb NOOP\r\n"].concat();
            compare(&octets, bounds(0, 0, 150), 0);
            compare(&octets, bounds(0, 0, 149), 0);
        }
    }

    /// In pieces, so that it passes the bound without ever being as long.
    #[test]
    fn a_line_without_an_end_is_given_up() {
        for length in [1000, 1159, 1160, 1161, 1300] {
            compare(&vec![b'x'; length], bounds(0, 0, 9), 0);
        }
    }
}
