//! Reads what a server says, by the grammar of RFC 9051 §9 with RFC 3501, 7162, 4731, 5161, 5258, 6154, 7889, 8474 and 8514, and nothing
//! else. It shares no code with the server, and is stricter than clients are.

/// What is wrong, and where.
type Read<T = ()> = Result<T, String>;

/// The tags that were answered, in their order.
///
/// # Errors
/// Octets that no server may send, with what stands there.
pub fn read_all(octets: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut cursor = Cursor { octets, at: 0 };
    let mut tags = Vec::new();
    while cursor.at < octets.len() {
        let from = cursor.at;
        match cursor.response() {
            Ok(tag) => tags.extend(tag),
            Err(what) => {
                let end = octets.len().min(cursor.at + 80);
                let shown = String::from_utf8_lossy(&octets[from..end]);
                return Err(format!(
                    "expected {what} at {} of {shown:?}",
                    cursor.at - from
                ));
            }
        }
    }
    Ok(tags)
}

struct Cursor<'a> {
    octets: &'a [u8],
    at: usize,
}

fn is_atom(b: u8) -> bool {
    b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b)
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.octets[self.at..]
    }

    fn skip(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text.as_bytes());
        self.at += if there { text.len() } else { 0 };
        there
    }

    fn expect(&mut self, text: &str) -> Read {
        self.skip(text).then_some(()).ok_or(format!("{text:?}"))
    }

    fn while_is(&mut self, what: &str, is: impl Fn(u8) -> bool) -> Read<&'a [u8]> {
        let rest = self.rest();
        let len = rest.iter().position(|b| !is(*b)).unwrap_or(rest.len());
        self.at += len;
        (len > 0).then_some(&rest[..len]).ok_or(what.to_owned())
    }

    /// One of these words, which another word may begin with.
    fn word(&mut self) -> Read<&'a str> {
        let word = self.while_is("a word", |b| {
            b.is_ascii_alphanumeric() || b"-.".contains(&b)
        })?;
        std::str::from_utf8(word).map_err(|_| "a word".to_owned())
    }

    fn number(&mut self, most: u64) -> Read<u64> {
        let digits = self.while_is("a number", |b| b.is_ascii_digit())?;
        let number = std::str::from_utf8(digits)
            .ok()
            .and_then(|d| d.parse().ok());
        let plain = digits.len() == 1 || digits[0] != b'0';
        number
            .filter(|n| *n <= most && plain)
            .ok_or("a number in range".to_owned())
    }

    fn nz_number(&mut self) -> Read<u64> {
        self.number(u32::MAX.into())
            .and_then(|n| (n > 0).then_some(n).ok_or("a number but 0".to_owned()))
    }

    fn modseq(&mut self) -> Read {
        self.number(i64::MAX.cast_unsigned()).map(drop)
    }

    /// Ascending ranges, as a server that has sorted them says them.
    fn set(&mut self) -> Read {
        loop {
            let first = self.nz_number()?;
            if self.skip(":") && self.nz_number()? == first {
                return Err("two numbers".to_owned());
            }
            if !self.skip(",") {
                return Ok(());
            }
        }
    }

    fn quoted(&mut self) -> Read<Vec<u8>> {
        self.expect("\"")?;
        let mut text = Vec::new();
        loop {
            match self.rest() {
                [b'"', ..] => break,
                [b'\\', b @ (b'"' | b'\\'), ..] => {
                    text.push(*b);
                    self.at += 2;
                }
                [b'\\' | b'\r' | b'\n' | 0, ..] | [] => return Err("a quoted character".to_owned()),
                [b, ..] => {
                    text.push(*b);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        std::str::from_utf8(&text).map_err(|_| "UTF-8 in quotes".to_owned())?;
        Ok(text)
    }

    fn literal(&mut self, nul: bool) -> Read<Vec<u8>> {
        self.expect("{")?;
        let size = self.number(i64::MAX.cast_unsigned())?;
        self.expect("}\r\n")?;
        let size = usize::try_from(size).map_err(|_| "a size")?;
        let octets = self.rest().get(..size).ok_or("all of a literal")?;
        self.at += size;
        (nul || !octets.contains(&0))
            .then_some(octets.to_vec())
            .ok_or("a literal without NUL".to_owned())
    }

    fn string(&mut self) -> Read<Vec<u8>> {
        match self.rest().first() {
            Some(b'{') => self.literal(false),
            _ => self.quoted(),
        }
    }

    fn nstring(&mut self) -> Read {
        if self.skip("NIL") {
            Ok(())
        } else {
            self.string().map(drop)
        }
    }

    fn astring(&mut self) -> Read<Vec<u8>> {
        match self.rest().first() {
            Some(b'{' | b'"') => self.string(),
            _ => self
                .while_is("an astring", |b| is_atom(b) || b == b']')
                .map(<[u8]>::to_vec),
        }
    }

    /// A mailbox's name: in modified UTF-7 or UTF-8, INBOX in upper case.
    fn mailbox(&mut self) -> Read {
        let name = self.astring()?;
        let first = name.split(|b| *b == b'/').next().unwrap_or_default();
        let inbox = first.eq_ignore_ascii_case(b"INBOX") && first != b"INBOX";
        (!name.is_empty() && !inbox)
            .then_some(())
            .ok_or("a mailbox".to_owned())
    }

    fn list(&mut self, empty: bool, mut member: impl FnMut(&mut Self) -> Read) -> Read {
        self.expect("(")?;
        if empty && self.skip(")") {
            return Ok(());
        }
        loop {
            member(self)?;
            if self.skip(")") {
                return Ok(());
            }
            self.expect(" ")?;
        }
    }

    fn flag(&mut self) -> Read {
        if self.skip("\\*") {
            return Ok(());
        }
        self.skip("\\");
        self.while_is("a flag", is_atom).map(drop)
    }

    fn response(&mut self) -> Read<Option<Vec<u8>>> {
        if self.skip("+ ") {
            return self.text().map(|()| None);
        }
        if self.skip("* ") {
            self.untagged()?;
            return self.expect("\r\n").map(|()| None);
        }
        let tag = self.while_is("a tag", |b| is_atom(b) && b != b'+' || b == b']')?;
        self.expect(" ")?;
        match self.word()? {
            "OK" | "NO" | "BAD" => self.resp_text()?,
            _ => return Err("OK, NO or BAD".to_owned()),
        }
        Ok(Some(tag.to_vec()))
    }

    /// To the end of the line; there may be nothing behind `+ `.
    fn text(&mut self) -> Read {
        let rest = self.rest();
        let len = rest.windows(2).position(|w| w == b"\r\n").ok_or("CRLF")?;
        self.at += len + 2;
        let text = std::str::from_utf8(&rest[..len]).map_err(|_| "text in UTF-8")?;
        let control = text.chars().any(|c| matches!(c, '\0' | '\r' | '\n'));
        (!control).then_some(()).ok_or("text".to_owned())
    }

    fn resp_text(&mut self) -> Read {
        self.expect(" ")?;
        if self.skip("[") {
            self.code()?;
            self.expect("] ")?;
        }
        if self.rest().starts_with(b"\r\n") {
            return Err("text".to_owned());
        }
        self.text()
    }

    fn code(&mut self) -> Read {
        match self.word()? {
            "BADCHARSET" => {
                self.expect(" ")?;
                self.list(false, |c| c.astring().map(drop))
            }
            "CAPABILITY" => self.capabilities(),
            "PERMANENTFLAGS" => {
                self.expect(" ")?;
                self.list(true, Self::flag)
            }
            "UIDNEXT" | "UIDVALIDITY" | "UNSEEN" => {
                self.expect(" ")?;
                self.nz_number().map(drop)
            }
            "HIGHESTMODSEQ" => {
                self.expect(" ")?;
                self.modseq()
            }
            "APPENDUID" => self.uids(1),
            "COPYUID" => self.uids(2),
            "MODIFIED" => {
                self.expect(" ")?;
                self.set()
            }
            "MAILBOXID" => {
                self.expect(" ")?;
                self.list(false, Self::object_id)
            }
            "ALERT"
            | "PARSE"
            | "READ-ONLY"
            | "READ-WRITE"
            | "TRYCREATE"
            | "UIDNOTSTICKY"
            | "CLOSED"
            | "NOMODSEQ"
            | "UNAVAILABLE"
            | "AUTHENTICATIONFAILED"
            | "AUTHORIZATIONFAILED"
            | "EXPIRED"
            | "PRIVACYREQUIRED"
            | "CONTACTADMIN"
            | "NOPERM"
            | "INUSE"
            | "EXPUNGEISSUED"
            | "CORRUPTION"
            | "SERVERBUG"
            | "CLIENTBUG"
            | "CANNOT"
            | "LIMIT"
            | "OVERQUOTA"
            | "ALREADYEXISTS"
            | "NONEXISTENT"
            | "NOTSAVED"
            | "HASCHILDREN"
            | "UNKNOWN-CTE"
            | "TOOBIG"
            | "USEATTR" => Ok(()),
            _ => Err("a response code".to_owned()),
        }
    }

    fn uids(&mut self, sets: u32) -> Read {
        self.expect(" ")?;
        self.nz_number()?;
        for _ in 0..sets {
            self.expect(" ")?;
            self.set()?;
        }
        Ok(())
    }

    fn object_id(&mut self) -> Read {
        let id = self.while_is("an object's identity", |b| {
            b.is_ascii_alphanumeric() || b"_-".contains(&b)
        })?;
        (id.len() <= 255)
            .then_some(())
            .ok_or("a short identity".to_owned())
    }

    fn capabilities(&mut self) -> Read {
        while self.skip(" ") {
            self.while_is("a capability", is_atom)?;
        }
        Ok(())
    }

    fn untagged(&mut self) -> Read {
        if self.rest().first().is_some_and(u8::is_ascii_digit) {
            return self.about_message();
        }
        match self.word()? {
            "OK" | "NO" | "BAD" | "BYE" => {
                self.resp_text()?;
                // The line's end is read already.
                self.at -= 2;
                Ok(())
            }
            "CAPABILITY" | "ENABLED" => self.capabilities(),
            "FLAGS" => {
                self.expect(" ")?;
                self.list(true, Self::flag)
            }
            "LIST" => self.listed().and_then(|()| self.list_extended()),
            "LSUB" => self.listed(),
            "NAMESPACE" => self.namespaces(),
            "STATUS" => self.status(),
            "SEARCH" => self.found(),
            "ESEARCH" => self.esearch(),
            "VANISHED" => {
                self.expect(" ")?;
                if self.skip("(EARLIER) ") {}
                self.set()
            }
            "ID" => {
                self.expect(" ")?;
                match self.skip("NIL") {
                    true => Ok(()),
                    false => self.list(true, |c| c.nstring()),
                }
            }
            _ => Err("a response".to_owned()),
        }
    }

    fn listed(&mut self) -> Read {
        self.expect(" ")?;
        self.list(true, |c| {
            c.expect("\\")?;
            c.while_is("an attribute", is_atom).map(drop)
        })?;
        self.expect(" ")?;
        if !self.skip("NIL") && self.quoted()?.len() != 1 {
            return Err("one separator".to_owned());
        }
        self.expect(" ")?;
        // The answer to a pattern that is empty names no mailbox.
        if self.skip("\"\"") {
            Ok(())
        } else {
            self.mailbox()
        }
    }

    fn list_extended(&mut self) -> Read {
        if !self.skip(" ") {
            return Ok(());
        }
        self.list(false, |c| match &c.astring()?[..] {
            b"CHILDINFO" => {
                c.expect(" ")?;
                c.list(false, |c| c.quoted().map(drop))
            }
            b"OLDNAME" => {
                c.expect(" ")?;
                // As the client spelled it.
                c.list(false, |c| c.astring().map(drop))
            }
            _ => Err("an item of LIST".to_owned()),
        })
    }

    fn namespaces(&mut self) -> Read {
        for _ in 0..3 {
            self.expect(" ")?;
            if self.skip("NIL") {
                continue;
            }
            self.expect("(")?;
            while self.skip("(") {
                self.string()?;
                self.expect(" ")?;
                if !self.skip("NIL") {
                    self.quoted()?;
                }
                self.expect(")")?;
            }
            self.expect(")")?;
        }
        Ok(())
    }

    fn status(&mut self) -> Read {
        self.expect(" ")?;
        self.mailbox()?;
        self.expect(" ")?;
        self.list(true, |c| {
            let item = c.word()?;
            c.expect(" ")?;
            match item {
                "UIDNEXT" | "UIDVALIDITY" => c.nz_number().map(drop),
                "MESSAGES" | "UNSEEN" | "RECENT" | "DELETED" => c.number(u32::MAX.into()).map(drop),
                "SIZE" | "HIGHESTMODSEQ" => c.modseq(),
                "APPENDLIMIT" if c.skip("NIL") => Ok(()),
                "APPENDLIMIT" => c.number(u64::MAX).map(drop),
                "MAILBOXID" => c.list(false, Self::object_id),
                _ => Err("an item of STATUS".to_owned()),
            }
        })
    }

    fn found(&mut self) -> Read {
        while self.skip(" ") {
            if self.skip("(MODSEQ ") {
                self.modseq()?;
                return self.expect(")");
            }
            self.nz_number()?;
        }
        Ok(())
    }

    fn esearch(&mut self) -> Read {
        if self.skip(" (TAG ") {
            self.string()?;
            self.expect(")")?;
        }
        while self.skip(" ") {
            match self.word()? {
                "UID" => {}
                "MIN" | "MAX" => self.expect(" ").and_then(|()| self.nz_number().map(drop))?,
                "COUNT" => self
                    .expect(" ")
                    .and_then(|()| self.number(u32::MAX.into()).map(drop))?,
                "ALL" => self.expect(" ").and_then(|()| self.set())?,
                "MODSEQ" => self.expect(" ").and_then(|()| self.modseq())?,
                _ => return Err("an item of ESEARCH".to_owned()),
            }
        }
        Ok(())
    }

    fn about_message(&mut self) -> Read {
        let number = self.number(u32::MAX.into())?;
        self.expect(" ")?;
        match self.word()? {
            "EXISTS" | "RECENT" => Ok(()),
            "EXPUNGE" if number > 0 => Ok(()),
            "FETCH" if number > 0 => {
                self.expect(" ")?;
                self.list(false, Self::item)
            }
            _ => Err("EXISTS, RECENT, EXPUNGE or FETCH of a message".to_owned()),
        }
    }

    fn item(&mut self) -> Read {
        let name = self.word()?;
        if self.rest().first() == Some(&b'[') {
            self.section(name)?;
        }
        self.expect(" ")?;
        match name {
            "FLAGS" => self.list(true, Self::flag),
            "UID" => self.nz_number().map(drop),
            "INTERNALDATE" => self.date(),
            "SAVEDATE" if self.skip("NIL") => Ok(()),
            "SAVEDATE" => self.date(),
            "RFC822.SIZE" | "BINARY.SIZE" => self.modseq(),
            "MODSEQ" => self.list(false, Self::modseq),
            "EMAILID" => self.list(false, Self::object_id),
            "THREADID" if self.skip("NIL") => Ok(()),
            "THREADID" => self.list(false, Self::object_id),
            "ENVELOPE" => self.envelope(),
            "BODY" if self.octets[self.at - 2] == b'Y' => self.body(),
            "BODYSTRUCTURE" => self.body(),
            "BINARY" if self.skip("~") => self.literal(true).map(drop),
            "BODY" | "BINARY" | "RFC822" | "RFC822.HEADER" | "RFC822.TEXT" => self.nstring(),
            _ => Err("an item of FETCH".to_owned()),
        }
    }

    /// `[1.2.HEADER.FIELDS (…)]<0>`.
    fn section(&mut self, name: &str) -> Read {
        self.expect("[")?;
        if !matches!(name, "BODY" | "BINARY" | "BINARY.SIZE") {
            return Err("an item without a section".to_owned());
        }
        let mut numbers = false;
        while self.rest().first().is_some_and(u8::is_ascii_digit) {
            self.nz_number()?;
            numbers = true;
            if !self.skip(".") {
                break;
            }
        }
        let dotted = !numbers || self.octets[self.at - 1] == b'.';
        if name == "BODY" && dotted && self.rest().first() != Some(&b']') {
            match self.word()? {
                "HEADER" | "TEXT" => {}
                "MIME" if numbers => {}
                "HEADER.FIELDS" | "HEADER.FIELDS.NOT" => {
                    self.expect(" ")?;
                    self.list(false, |c| c.astring().map(drop))?;
                }
                _ => return Err("a section".to_owned()),
            }
        } else if numbers && dotted {
            return Err("a part".to_owned());
        }
        self.expect("]")?;
        if name != "BINARY.SIZE" && self.skip("<") {
            self.modseq()?;
            self.expect(">")?;
        }
        Ok(())
    }

    /// `" 1-Feb-2024 00:00:00 +0000"`.
    fn date(&mut self) -> Read {
        let text = self.quoted()?;
        let shape: Vec<u8> = text
            .iter()
            .map(|b| match b {
                b'0'..=b'9' => b'9',
                b'A'..=b'Z' => b'A',
                b'a'..=b'z' => b'a',
                b'+' | b'-' => b'-',
                b => *b,
            })
            .collect();
        let right = [
            &b"99-Aaa-9999 99:99:99 -9999"[..],
            b" 9-Aaa-9999 99:99:99 -9999",
        ];
        right
            .contains(&&shape[..])
            .then_some(())
            .ok_or("a date".to_owned())
    }

    fn envelope(&mut self) -> Read {
        self.expect("(")?;
        for member in 0..10 {
            if member > 0 {
                self.expect(" ")?;
            }
            if (2..8).contains(&member) {
                self.addresses()?
            } else {
                self.nstring()?
            }
        }
        self.expect(")")
    }

    fn addresses(&mut self) -> Read {
        if self.skip("NIL") {
            return Ok(());
        }
        self.expect("(")?;
        while self.skip("(") {
            for member in 0..4 {
                if member > 0 {
                    self.expect(" ")?;
                }
                self.nstring()?;
            }
            self.expect(")")?;
        }
        self.expect(")")
    }

    /// Lists of strings, numbers and NIL in balance; what stands where in them is the business of the target `message`.
    fn body(&mut self) -> Read {
        let mut depth = 0;
        loop {
            if self.skip("(") {
                depth += 1;
                continue;
            }
            match self.rest().first() {
                Some(b'0'..=b'9') => self.modseq()?,
                _ => self.nstring()?,
            }
            while self.skip(")") {
                depth -= 1;
                if depth == 0 {
                    return Ok(());
                }
            }
            if !self.rest().starts_with(b"(") {
                self.expect(" ")?;
            }
        }
    }
}
