//! Octets of one segment, read ahead while what is asked for stands one behind the other.

use std::io;
use std::os::unix::fs::FileExt;

use super::Files;

/// What was read last. Good as long as no more is asked for than was there when the first of it was read: what is written later may be missing.
#[derive(Default)]
pub(crate) struct Window {
    segment: u64,
    /// Where it begins, and how much of `octets` it is.
    at: u64,
    len: usize,
    octets: Vec<u8>,
    /// How much was read ahead last.
    ahead: usize,
}

impl Window {
    /// Holds nothing any more but its room.
    pub(crate) fn clear(&mut self) {
        (self.len, self.ahead) = (0, 0);
    }

    /// These octets. At most `most` are read, or as many as are needed.
    pub(super) fn get(
        &mut self,
        files: &Files,
        (segment, at): (u64, u64),
        need: usize,
        most: usize,
    ) -> io::Result<&[u8]> {
        let end = self.at + self.len as u64;
        if segment != self.segment || at < self.at || at.saturating_add(need as u64) > end {
            self.fill(files, (segment, at), need, most)?;
        }
        // It is within the window, which a usize counts.
        let from = usize::try_from(at - self.at).unwrap_or(usize::MAX);
        Ok(&self.octets[from..from + need])
    }

    fn fill(
        &mut self,
        files: &Files,
        (segment, at): (u64, u64),
        need: usize,
        most: usize,
    ) -> io::Result<()> {
        let near = self.at..self.at + self.len as u64 + GAP;
        let follows = self.len > 0 && segment == self.segment && near.contains(&at);
        let ahead = match follows {
            true => self.ahead.max(need).saturating_mul(FASTER).min(most),
            false => 0,
        };
        let size = need.max(ahead);
        if self.octets.len() < size {
            self.octets.resize(size, 0);
        }
        self.clear();
        let (file, mut len) = (files.file(segment)?, 0);
        while len < need {
            match file.read_at(&mut self.octets[len..size], at + len as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => len += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        (self.segment, self.at, self.len, self.ahead) = (segment, at, len, ahead);
        Ok(())
    }
}

/// Octets between bodies that stand one behind the other, at most: the heads and tails of their records, and of a few small ones.
const GAP: u64 = 2048;
/// How much more is read each time.
const FASTER: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::Secret;

    /// A segment of these octets in a folder of its own.
    fn segment(name: &str, octets: &[u8]) -> (std::path::PathBuf, Files) {
        let dir = std::env::temp_dir().join(format!("pillarbox-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let files = Files::new(dir.clone(), Secret(0));
        std::fs::write(files.path(0), octets).unwrap();
        (dir, files)
    }

    #[test]
    fn gives_what_stands_there_in_any_order() {
        let octets: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
        let (dir, files) = segment("window", &octets);
        for most in [0, 100, 5000, 1 << 20] {
            let (mut window, mut random) = (Window::default(), 1u64);
            let mut at = 0;
            for _ in 0..5000 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let n = (random >> 33) as usize;
                let need = 1 + n % 3000;
                at = match n % 8 {
                    0 => n % octets.len(),
                    _ => at + need + n % 200,
                };
                let wanted = octets.get(at..at + need);
                let got = window.get(&files, (0, at as u64), need, most);
                assert_eq!(got.ok(), wanted, "{most}: {need} at {at}");
            }
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_written_later_is_seen_once_it_is_cleared() {
        let (dir, files) = segment("window-later", &[1; 100]);
        let mut window = Window::default();
        for at in [0, 10, 20] {
            assert_eq!(window.get(&files, (0, at), 10, 1000).unwrap(), [1; 10]);
        }
        std::fs::write(files.path(0), [2; 100]).unwrap();
        assert_eq!(window.get(&files, (0, 30), 10, 1000).unwrap(), [1; 10]);
        window.clear();
        assert_eq!(window.get(&files, (0, 30), 10, 1000).unwrap(), [2; 10]);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
