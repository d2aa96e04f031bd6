//! The core by itself, in one thread, over mail in memory: what every server is to say.

use pillarbox_sim::{Chunking as Cut, Host, Options};

use crate::answer::Answer;
use crate::rows::{Place, Row};
use crate::wire::{Chunking, End};

/// Sends a row, cut in this way.
pub fn run(row: &Row, chunking: Chunking) -> Answer {
    let mut options = Options::default();
    options.tls = row.place == Place::Tls;
    options.starttls = !options.tls;
    let mut host = Host::new(&options);
    host.take_output("c");
    if row.selected {
        host.send("c", crate::sign_in("tim", "pw").as_bytes(), Cut::Whole);
        host.take_output("c");
    }
    for chunk in chunking.cut(&row.octets) {
        host.send("c", chunk, Cut::Whole);
    }
    host.send("c", b"zz NOOP\r\n", Cut::Whole);
    let said = host.take_output("c");
    let answers = crate::find(&said, b"zz OK NOOP completed\r\n").is_some();
    let end = if answers { End::Alive } else { End::Closed };
    assert!(
        row.place == Place::Plain || host.is_closed("c") == (end == End::Closed),
        "{}: the session neither answers nor ended",
        row.name
    );
    Answer {
        said,
        end,
        noop: crate::Wait::default(),
    }
}
