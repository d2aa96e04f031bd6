//! Memory of idle connections.

use pillarbox_benches::alloc;
use pillarbox_benches::idle::{Waiting, octets};
use pillarbox_driver::ListenerKind;

use crate::{Figure, Figures};

/// Between commands and in IDLE, plain and with TLS.
pub fn figures() -> Figures {
    let mut figures = Vec::new();
    for (kind, most) in [
        (ListenerKind::Plain, 8 << 10),
        (ListenerKind::Tls, 24 << 10),
    ] {
        for waiting in [Waiting::Silent, Waiting::Idle] {
            alloc::pause(false);
            let held = octets(kind, waiting);
            alloc::pause(true);
            let held = held?;
            figures.push(Figure {
                name: format!("idle on 10,000 UIDs, 30 % gone, {kind:?}, {waiting:?}"),
                target: format!("{most} octets"),
                measured: format!("{held} octets"),
                reached: held < most,
            });
        }
    }
    Ok(figures)
}
