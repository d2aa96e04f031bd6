//! However many commands come in one burst, their answers leave in one write.

use std::sync::Arc;

use pillarbox_benches::fill::fill;
use pillarbox_benches::wire::Wire;
use pillarbox_driver::{ListenerKind, Service};
use pillarbox_store::{AnyAccounts, Memory};

#[test]
fn a_burst_of_answers_is_one_write() {
    let store = Arc::new(Memory::new());
    fill(&*store, 50, 3_000).expect("it is stored");
    let service = Service::builder(store, Arc::new(AnyAccounts::new()))
        .plaintext_login(true)
        .build();
    let mut wire = Wire::connect(&service, ListenerKind::Plain);
    wire.exchange(b"a LOGIN tim pw\r\n");
    let before = wire.writes();
    let burst = b"b SELECT INBOX\r\nc FETCH 1:* (FLAGS ENVELOPE)\r\nd SEARCH SUBJECT week\r\ne NOOP\r\nf FETCH 1:20 BODY.PEEK[]\r\ng STORE 1:9 +FLAGS (\\Seen)\r\n\
        h STATUS INBOX (UNSEEN)\r\ni LIST \"\" *\r\nj CLOSE\r\n";
    let said = wire.exchange(burst);
    assert!(said.ends_with(b"j OK CLOSE completed\r\n"));
    assert_eq!(wire.writes() - before, 1);
}
