//! SIGINT and SIGTERM end the server in good order; SIGHUP reads its files again.

use std::io;

use pillarbox::driver::Hub;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What SIGHUP does.
pub type Reload = Box<dyn FnMut() + Send>;

/// Stops the server at the first SIGINT or SIGTERM, letting what is being written finish; the next one ends the process at once.
pub fn watch(hub: Hub, mut reload: Option<Reload>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if reload.is_some() {
        signals.add_signal(SIGHUP)?;
    }
    let run = move || {
        let mut stopping = false;
        for signal in signals.forever() {
            match (signal, &mut reload) {
                (SIGHUP, Some(reload)) => reload(),
                _ if stopping => {
                    // It can only fail for signals that were not asked for.
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                }
                _ => hub.shutdown(),
            }
            stopping |= signal != SIGHUP;
        }
    };
    let thread = std::thread::Builder::new().name(String::from("signals"));
    thread.spawn(run).map(drop)
}
