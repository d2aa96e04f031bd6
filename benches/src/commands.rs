//! Ten commands as clients send them.

use bytes::{Bytes, BytesMut};

/// Ten commands with their CRLF: what a session of a common client is made of, from NOOP to long FETCH items, search strings and UID sets.
pub const TEN: [&str; 10] = [
    "a1 NOOP\r\n",
    "A002 LOGIN \"tim@example.org\" \"correct horse battery\"\r\n",
    "3 SELECT \"Archive/2024\"\r\n",
    "4 LIST \"\" \"*\"\r\n",
    "5 STATUS \"Archive/2024\" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)\r\n",
    "6 UID FETCH 1:* (FLAGS)\r\n",
    "7 UID FETCH 90210,90213:90250,90311 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority \
     X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])\r\n",
    "8 UID SEARCH UNSEEN SINCE 1-Feb-2024 FROM \"alice@example.org\" SUBJECT \"quarterly report\" NOT TEXT \"draft version\"\r\n",
    "9 UID COPY 17,19:25,31,33,37:41,44,48:90,95,97,101:130,144,148:150,161,170,172:180,191,200:300,310,315,320:333,340 \"Archive/2023\"\r\n",
    "10 UID STORE 1200:1210 +FLAGS.SILENT (\\Deleted \\Seen)\r\n",
];

/// Commands without lists and strings: parsing them must not allocate.
pub const PLAIN: [&str; 14] = [
    "1 NOOP",
    "2 CAPABILITY",
    "3 LOGOUT",
    "4 IDLE",
    "5 CHECK",
    "6 CLOSE",
    "7 UNSELECT",
    "8 EXPUNGE",
    "9 STARTTLS",
    "10 NAMESPACE",
    "11 SELECT INBOX",
    "12 EXAMINE Archive/2024",
    "13 CREATE Work",
    "14 RENAME Work Play",
];

/// [`TEN`] as the framer hands them over: without CRLF, and part of a buffer that is shared.
#[must_use]
pub fn frames() -> Vec<Bytes> {
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for line in TEN {
        buffer.extend_from_slice(line.as_bytes());
        frames.push(buffer.split_to(line.len() - 2).freeze());
        buffer.clear();
    }
    frames
}
