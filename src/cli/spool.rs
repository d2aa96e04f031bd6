//! A message from standard input, as it is to be stored: lines end in CRLF, and its length is known.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

/// Octets of a message: in memory while they are few, else in a file that has no name.
#[derive(Debug, Default)]
pub struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    size: u64,
    /// The last octet was CR.
    cr: bool,
}

impl Spool {
    /// Puts `lines`, each without its end, before what is read: at most so many octets in all and a little more, so that a message that is too large is seen to be. A first
    /// line of an mbox ("From ann Thu Jan  1 00:00:00 1970") is left out. A large message goes to `folder`.
    pub fn fill(lines: &[String], input: impl Read, most: u64, folder: &Path) -> io::Result<Self> {
        let mut spool = Self::default();
        let mut input = BufReader::with_capacity(CHUNK, input);
        let mut head = Vec::new();
        // As much as tells what the first line is.
        while head.len() < HEAD && !head.contains(&b'\n') {
            let mut some = [0; HEAD];
            match input.read(&mut some) {
                Ok(0) => break,
                Ok(n) => head.extend_from_slice(&some[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let mut input = head.as_slice().chain(input);
        if is_envelope(&head) {
            skip_line(&mut input)?;
        }
        let mut buffer = vec![0; CHUNK];
        let mut n = input.read(&mut buffer)?;
        if n > 0 {
            let before: String = lines.iter().map(|line| format!("{line}\n")).collect();
            spool.push(before.as_bytes(), folder)?;
        }
        while n > 0 && spool.size <= most {
            spool.push(&buffer[..n], folder)?;
            n = input.read(&mut buffer)?;
        }
        Ok(spool)
    }

    /// Octets.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The octets, from the first one on.
    pub fn octets(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match &mut self.file {
            Some(file) => {
                file.rewind()?;
                Box::new(file)
            }
            None => Box::new(self.memory.as_slice()),
        })
    }

    /// LF alone becomes CRLF (RFC 5322 §2.3).
    fn push(&mut self, octets: &[u8], folder: &Path) -> io::Result<()> {
        let mut whole = Vec::with_capacity(octets.len() + octets.len() / 16);
        for octet in octets {
            if *octet == b'\n' && !self.cr {
                whole.push(b'\r');
            }
            self.cr = *octet == b'\r';
            whole.push(*octet);
        }
        self.size += whole.len() as u64;
        if self.file.is_none() && self.memory.len() + whole.len() > IN_MEMORY {
            let mut file = nameless(folder)?;
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(&whole),
            None => {
                self.memory.extend_from_slice(&whole);
                Ok(())
            }
        }
    }
}

/// Whether a message begins with the line that an mbox puts before it; "From :" is a field, if an odd one (RFC 5322 §4.5).
fn is_envelope(head: &[u8]) -> bool {
    let Some(rest) = head.strip_prefix(b"From ") else {
        return false;
    };
    let rest = rest.trim_ascii_start();
    !rest.starts_with(b":")
}

fn skip_line(input: &mut impl Read) -> io::Result<()> {
    let mut octet = [0];
    while input.read(&mut octet)? > 0 && octet != *b"\n" {}
    Ok(())
}

/// A file that is gone when it is closed.
fn nameless(folder: &Path) -> io::Result<File> {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_nanos());
    let path = folder.join(format!("pillarbox-deliver-{}-{now}", std::process::id()));
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Octets looked at for the line of an mbox.
const HEAD: usize = 512;
const CHUNK: usize = 64 << 10;
const IN_MEMORY: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many octets at once.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(buffer.len());
            self.0.read(&mut buffer[..n])
        }
    }

    fn spooled(lines: &[&str], input: &[u8], at_once: usize) -> Vec<u8> {
        let lines: Vec<_> = lines.iter().map(|line| String::from(*line)).collect();
        let folder = std::env::temp_dir();
        let input = Slow(input, at_once);
        let mut spool = Spool::fill(&lines, input, 10 << 20, &folder).unwrap();
        let mut octets = Vec::new();
        spool.octets().unwrap().read_to_end(&mut octets).unwrap();
        assert_eq!(octets.len() as u64, spool.size());
        octets
    }

    #[test]
    fn lines_end_in_crlf_and_what_an_mbox_adds_is_left_out() {
        let long = [b"From ".as_slice(), &[b'x'; 5000], b"\nA: b\n"].concat();
        let rows: &[(&[u8], &[u8])] = &[
            (b"", b""),
            (b"A: b\n\nx", b"A: b\r\n\r\nx"),
            (b"A: b\r\n\r\nx\r\n", b"A: b\r\n\r\nx\r\n"),
            (b"\n\r\n\n\r", b"\r\n\r\n\r\n\r"),
            (b"a\r\r\nb\rc\n", b"a\r\r\nb\rc\r\n"),
            (b"From ann Thu Jan  1\nA: b\n", b"A: b\r\n"),
            (b"From ann Thu Jan  1\r\nFrom x\r\n", b"From x\r\n"),
            (b"From ann", b""),
            (b"From: ann\n", b"From: ann\r\n"),
            (b"From : ann\n", b"From : ann\r\n"),
            (b"From \t : ann\n", b"From \t : ann\r\n"),
            (b">From ann\n", b">From ann\r\n"),
            (&long, b"A: b\r\n"),
        ];
        for (input, stored) in rows {
            for at_once in [1, 2, 3, 7, 1 << 20] {
                let shown = String::from_utf8_lossy(input);
                assert_eq!(spooled(&[], input, at_once), *stored, "{shown:?}");
            }
        }
        assert_eq!(
            spooled(&["X: 1", "Y: 2"], b"From ann\nA: b\n", 1 << 20),
            b"X: 1\r\nY: 2\r\nA: b\r\n"
        );
        assert_eq!(spooled(&["X: 1"], b"", 1), b"", "no message is none");
    }

    #[test]
    fn a_large_message_is_in_a_file_and_one_that_is_too_large_is_not_read_to_its_end() {
        let input: Vec<u8> = (0..3 << 20)
            .map(|i| if i % 70 == 0 { b'\n' } else { b'a' })
            .collect();
        let octets = spooled(&[], &input, usize::MAX);
        let plain: Vec<u8> = octets.iter().copied().filter(|o| *o != b'\r').collect();
        assert!(plain == input && octets.len() > input.len());
        let folder = std::env::temp_dir();
        let spool = Spool::fill(&[], io::repeat(b'a'), 1 << 20, &folder).unwrap();
        assert!(spool.size() > 1 << 20 && spool.size() <= (1 << 20) + CHUNK as u64);
        assert!(spool.memory.is_empty(), "it is in the file");
        assert!(Spool::fill(&[], io::repeat(b'a'), 1 << 20, Path::new("/nowhere")).is_err());
    }
}
