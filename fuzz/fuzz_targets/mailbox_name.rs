//! A mailbox name comes back from the wire as it went, and keeps its place in the hierarchy.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_core::mailbox::MailboxName;

fuzz_target!(|octets: &[u8]| {
    for utf8 in [false, true] {
        let Ok(name) = MailboxName::from_wire(octets, utf8) else {
            continue;
        };
        for utf8 in [false, true] {
            let wire = name.to_wire(utf8).into_owned();
            assert_eq!(
                MailboxName::from_wire(wire.as_bytes(), utf8).as_ref(),
                Ok(&name)
            );
            assert!(utf8 || wire.is_ascii());
        }
        assert!(name.ancestors().all(|above| name.is_within(&above)));
        moves(&name);
    }
});

/// RENAME of what is above moves it, and back again (RFC 9051 §6.3.6).
fn moves(name: &MailboxName) {
    let to = MailboxName::new("Elsewhere").expect("a name");
    if name.is_within(&to) || *name == to {
        return;
    }
    for from in name.ancestors().filter(|above| !above.is_inbox()) {
        let Ok(moved) = name.with_prefix_replaced(&from, &to) else {
            continue;
        };
        assert!(moved.is_within(&to));
        assert_eq!(moved.with_prefix_replaced(&to, &from).as_ref(), Ok(name));
        assert_eq!(
            &name.with_prefix_replaced(&to, &from).expect("is not moved"),
            name
        );
    }
}
