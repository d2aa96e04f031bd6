//! Any text is a configuration or is refused in one printable line that names the place.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

use config::{Config, Source};

#[allow(dead_code)]
#[path = "../../src/cli/config/mod.rs"]
mod config;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("pillarbox-fuzz-{}.toml", std::process::id()))
});

fuzz_target!(|text: &[u8]| {
    std::fs::write(&*FILE, text).expect("there is room for a file");
    match Config::read(&FILE) {
        Ok(config) => {
            assert!(!config.listen.is_empty());
            let paths = [Some(&config.store), config.tls.as_ref().map(|t| &t.key)];
            assert!(paths.into_iter().flatten().all(|p| p.is_absolute()));
            assert!(!matches!(&config.accounts, Source::File(path) if !path.is_absolute()));
            let open = |l: &config::Listener| {
                !l.implicit_tls && !l.address.ip().to_canonical().is_loopback()
            };
            assert!(!config.settings.plaintext_login || !config.listen.iter().any(open));
            let limits = &config.settings.limits;
            assert!(limits.idle_millis >= 30 * 60_000 && limits.line >= 8 << 10);
        }
        Err(e) => {
            let said = e.to_string();
            let rest = said
                .strip_prefix(&*FILE.to_string_lossy())
                .expect("the file is named");
            assert!(!said.chars().any(char::is_control), "{said:?}");
            // Some faults are of no line: something is missing from the whole.
            let line = rest
                .strip_prefix(':')
                .and_then(|r| r.split(':').next()?.parse::<usize>().ok());
            let lines = text.split(|b| *b == b'\n').count();
            assert!(
                line.is_none_or(|line| (1..=lines).contains(&line)),
                "{said}"
            );
        }
    }
});
