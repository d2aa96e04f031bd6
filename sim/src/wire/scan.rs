//! The terminals of the grammar: atoms, numbers, strings, lists.

/// Why a response could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is right as far as it goes.
    Short,
    /// No server may send this: what was expected, and where.
    Wrong(String),
}

/// What a rule of the grammar gives.
pub(super) type Parsed<T> = Result<T, Fault>;

/// Octets, and how far they are read.
pub(super) struct Scan<'a> {
    octets: &'a [u8],
    pub at: usize,
    /// Whether strings may hold UTF-8 (RFC 9051 §9 `QUOTED-CHAR`, once IMAP4rev2 is enabled).
    pub utf8: bool,
    /// Levels of nested bodies.
    pub depth: u32,
}

impl<'a> Scan<'a> {
    pub fn new(octets: &'a [u8], utf8: bool) -> Self {
        Self {
            octets,
            at: 0,
            utf8,
            depth: 0,
        }
    }

    pub fn wrong<T>(&self, expected: &str) -> Parsed<T> {
        let from = self.at.saturating_sub(30);
        let to = (self.at + 20).min(self.octets.len());
        let before = self.octets[from..self.at].escape_ascii();
        let after = self.octets[self.at..to].escape_ascii();
        Err(Fault::Wrong(format!(
            "expected {expected} after «{before}», there is «{after}»"
        )))
    }

    pub fn peek(&self) -> Parsed<u8> {
        self.octets.get(self.at).copied().ok_or(Fault::Short)
    }

    pub fn next(&mut self) -> Parsed<u8> {
        let b = self.peek()?;
        self.at += 1;
        Ok(b)
    }

    /// These octets, letters in any case.
    pub fn expect(&mut self, text: &str) -> Parsed<()> {
        for want in text.bytes() {
            if !self.peek()?.eq_ignore_ascii_case(&want) {
                return self.wrong(text);
            }
            self.at += 1;
        }
        Ok(())
    }

    pub fn space(&mut self) -> Parsed<()> {
        self.expect(" ")
    }

    /// Takes one octet if it is this.
    pub fn skip(&mut self, b: u8) -> Parsed<bool> {
        let there = self.peek()? == b;
        self.at += usize::from(there);
        Ok(there)
    }

    /// At least one octet of those.
    pub fn take(&mut self, name: &str, allowed: impl Fn(u8) -> bool) -> Parsed<&'a [u8]> {
        let from = self.at;
        while allowed(self.peek()?) {
            self.at += 1;
        }
        if self.at == from {
            return self.wrong(name);
        }
        Ok(&self.octets[from..self.at])
    }

    fn ascii(&mut self, name: &str, allowed: impl Fn(u8) -> bool) -> Parsed<String> {
        Ok(self
            .take(name, allowed)?
            .iter()
            .map(|b| char::from(*b))
            .collect())
    }

    /// atom = 1*ATOM-CHAR
    pub fn atom(&mut self) -> Parsed<String> {
        self.ascii("an atom", is_atom)
    }

    /// An atom in upper case.
    pub fn keyword(&mut self) -> Parsed<String> {
        Ok(self.atom()?.to_ascii_uppercase())
    }

    /// tag = 1*<any ASTRING-CHAR except "+">
    pub fn tag(&mut self) -> Parsed<String> {
        self.ascii("a tag", |b| b != b'+' && (is_atom(b) || b == b']'))
    }

    /// text = 1*TEXT-CHAR, UTF-8 among it where that is on
    pub fn text(&mut self, end: u8) -> Parsed<String> {
        let utf8 = self.utf8;
        let octets = self.take("text", |b| {
            !matches!(b, 0 | b'\r' | b'\n') && (b < 0x80 || utf8) && b != end
        })?;
        match std::str::from_utf8(octets) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => self.wrong("UTF-8"),
        }
    }

    /// A decimal number.
    pub fn number64(&mut self) -> Parsed<u64> {
        let digits = self.ascii("a number", |b| b.is_ascii_digit())?;
        digits
            .parse()
            .or_else(|_| self.wrong("a number of 64 bits"))
    }

    /// number
    pub fn number(&mut self) -> Parsed<u32> {
        let n = self.number64()?;
        u32::try_from(n).or_else(|_| self.wrong("a number of 32 bits"))
    }

    /// nz-number
    pub fn nz(&mut self) -> Parsed<u32> {
        match self.peek()? {
            b'1'..=b'9' => self.number(),
            _ => self.wrong("a number that is not zero"),
        }
    }

    /// mod-sequence-value: 63 bits, not zero (RFC 7162 §7)
    pub fn modseq(&mut self) -> Parsed<u64> {
        if !matches!(self.peek()?, b'1'..=b'9') {
            return self.wrong("a modification sequence");
        }
        match self.number64()? {
            n if n <= i64::MAX.unsigned_abs() => Ok(n),
            _ => self.wrong("a modification sequence of 63 bits"),
        }
    }

    /// string = quoted / literal
    pub fn string(&mut self) -> Parsed<Vec<u8>> {
        match self.peek()? {
            b'"' => self.quoted(),
            b'{' => self.literal(false),
            _ => self.wrong("a string"),
        }
    }

    fn quoted(&mut self) -> Parsed<Vec<u8>> {
        self.expect("\"")?;
        let mut text = Vec::new();
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    if !matches!(self.peek()?, b'"' | b'\\') {
                        return self.wrong("\\ or \" after \\");
                    }
                    text.push(self.next()?);
                }
                0 | b'\r' | b'\n' => return self.wrong("no NUL, CR or LF in a quoted string"),
                b if b >= 0x80 && !self.utf8 => return self.wrong("no 8-bit in a quoted string"),
                _ => text.push(self.next()?),
            }
        }
        if std::str::from_utf8(&text).is_err() {
            return self.wrong("UTF-8 in a quoted string");
        }
        self.at += 1;
        Ok(text)
    }

    /// literal, or with `binary` literal8, where NUL may occur (RFC 3516 §4.3)
    pub fn literal(&mut self, binary: bool) -> Parsed<Vec<u8>> {
        self.expect("{")?;
        let size = self.number64()?;
        self.expect("}\r\n")?;
        let size = usize::try_from(size).or_else(|_| self.wrong("a size"))?;
        let octets = &self.octets[self.at..];
        let octets = &octets[..size.min(octets.len())];
        if !binary && octets.contains(&0) {
            return self.wrong("no NUL in a literal");
        }
        if octets.len() < size {
            return Err(Fault::Short);
        }
        self.at += size;
        Ok(octets.to_vec())
    }

    /// nstring = string / nil
    pub fn nstring(&mut self) -> Parsed<Option<Vec<u8>>> {
        match self.peek()? {
            b'N' | b'n' => self.expect("NIL").map(|()| None),
            _ => self.string().map(Some),
        }
    }

    /// astring = 1*ASTRING-CHAR / string
    pub fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.peek()? {
            b'"' | b'{' => self.string(),
            _ => Ok(self
                .take("an astring", |b| is_atom(b) || b == b']')?
                .to_vec()),
        }
    }

    /// A mailbox name: INBOX in any case is INBOX.
    pub fn mailbox(&mut self) -> Parsed<String> {
        let octets = self.astring()?;
        let name = String::from_utf8(octets).or_else(|_| self.wrong("a mailbox name in UTF-8"))?;
        match name.is_ascii() || self.utf8 {
            _ if name.eq_ignore_ascii_case("INBOX") => Ok("INBOX".to_owned()),
            true => Ok(name),
            false => self.wrong("a mailbox name in modified UTF-7"),
        }
    }

    /// flag, flag-perm (`\*`) or mbx-list-oflag: an atom, or one behind a backslash
    pub fn flag(&mut self) -> Parsed<String> {
        if !self.skip(b'\\')? {
            return self.atom();
        }
        if self.skip(b'*')? {
            return Ok("\\*".to_owned());
        }
        Ok(format!("\\{}", self.atom()?))
    }

    /// Items in parentheses with a space between each two, perhaps none.
    pub fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect("(")?;
        let mut items = Vec::new();
        if self.skip(b')')? {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.skip(b')')? {
                return Ok(items);
            }
            self.space()?;
        }
    }

    /// The same, and at least one.
    pub fn list1<T>(&mut self, item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let items = self.list(item)?;
        if items.is_empty() {
            return self.wrong("a list that is not empty");
        }
        Ok(items)
    }

    /// A set without `*`: `uid-set` (RFC 4315 §4), `known-uids` (RFC 7162 §7), and what a server writes for `sequence-set`
    pub fn set(&mut self) -> Parsed<Vec<(u32, u32)>> {
        let mut ranges = Vec::new();
        loop {
            let from = self.nz()?;
            let to = if self.skip(b':')? { self.nz()? } else { from };
            ranges.push((from, to));
            if !self.skip(b',')? {
                return Ok(ranges);
            }
        }
    }

    /// An identity in parentheses: 1*255 of letters, digits, - and _ (RFC 8474 §7).
    pub fn object_id(&mut self) -> Parsed<String> {
        self.expect("(")?;
        let id = self.ascii("an object identity", |b| {
            b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
        })?;
        self.expect(")")?;
        if id.len() > 255 {
            return self.wrong("an object identity of at most 255 octets");
        }
        Ok(id)
    }
}

/// ATOM-CHAR: any CHAR but atom-specials (RFC 9051 §9)
fn is_atom(b: u8) -> bool {
    b > 0x20 && b < 0x7f && !b"(){%*\"\\]".contains(&b)
}
