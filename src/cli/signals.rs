//! SIGINT and SIGTERM end the server in good order.

use std::io;

use pillarbox::driver::Hub;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Stops the server at the first signal; what is being written is finished.
pub fn stop_on_signal(hub: Hub) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new()
        .name(String::from("signals"))
        .spawn(move || {
            if signals.forever().next().is_some() {
                hub.shutdown();
            }
        })?;
    Ok(())
}
