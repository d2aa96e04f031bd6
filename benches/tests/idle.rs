//! An idle connection on a mailbox with many gaps costs little memory. One test, since all threads share the allocator.

use pillarbox_benches::alloc::Counting;
use pillarbox_benches::idle::{Waiting, before_login, octets};
use pillarbox_driver::ListenerKind;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_idle_connection_is_small() {
    for (kind, most) in [
        (ListenerKind::Plain, 8 << 10),
        (ListenerKind::Tls, 24 << 10),
    ] {
        for waiting in [Waiting::Silent, Waiting::Idle] {
            let held = octets(kind, waiting).expect("it can be measured");
            println!("{kind:?}, {waiting:?}: {held} octets");
            assert!(
                held > 1000,
                "{kind:?}: the measure must see the view: {held}"
            );
            assert!(held < most, "{kind:?}, {waiting:?}: {held} octets");
        }
        let held = before_login(kind).expect("it can be measured");
        println!("{kind:?}, before login: {held} octets");
        assert!(
            held > 500,
            "{kind:?}: the measure must see the session: {held}"
        );
        assert!(held < most, "{kind:?}, before login: {held} octets");
    }
}
