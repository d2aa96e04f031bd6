//! `[limits]`: the core's bounds by their names, each within what makes sense.

use std::ops::{Range, RangeInclusive};

use pillarbox::protocol::limits::Limits;
use serde::Deserialize;
use toml::Spanned;

/// One row per bound: its name and what it may be.
macro_rules! limits {
    ($($name:ident: $range:expr,)*) => {
        /// `[limits]` as it is written.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Table {
            $($name: Option<Spanned<i64>>,)*
        }

        impl Table {
            /// Sets what is written; an error says where and what was expected.
            pub fn apply(&self, limits: &mut Limits) -> Result<(), (Range<usize>, String)> {
                $(set(stringify!($name), self.$name.as_ref(), $range, &mut limits.$name)?;)*
                Ok(())
            }
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

limits! {
    line_before_login: 1 << 10..=1 << 20,
    line: 8 << 10..=64 << 20,
    command_before_login: 1 << 10..=1 << 20,
    command: 8 << 10..=64 << 20,
    skip: 0..=1 << 30,
    literal_minus: 0..=4096,
    append: 1 << 10..=1 << 40,
    tokens_before_login: 8..=4096,
    tokens: 64..=1 << 20,
    depth_before_login: 1..=16,
    search_depth: 1..=10_000,
    search_texts: 1..=10_000,
    search_header: 4 << 10..=64 << 20,
    tag: 8..=1024,
    sasl: 256..=1 << 20,
    bad_before_login: 1..=1000,
    bad: 1..=100_000,
    failed_logins: 1..=1000,
    login_millis: 1_000..=HOUR,
    first_command_millis: 1_000..=HOUR,
    idle_millis: HOUR / 2..=24 * HOUR,
    still_here_millis: 10_000..=24 * HOUR,
    write_stall_millis: 1_000..=HOUR,
    // Within `leave_millis`.
    rest_millis: 0..=9_000,
    output_before_login: 1 << 10..=1 << 20,
    output_high_water: 8 << 10..=64 << 20,
    mailbox_name: 16..=1000,
    mailbox_depth: 1..=64,
    id_pairs: 1..=1000,
    id_field: 1..=1024,
    id_value: 1..=64 << 10,
    append_messages: 1..=100_000,
    list_patterns: 1..=1000,
    list_octets: 1024..=1 << 20,
    status_page: 1..=10_000,
    changes_page: 1..=100_000,
    ranges_page: 1..=1 << 20,
    fetch_page: 4 << 10..=64 << 20,
    inline_body: 0..=1 << 20,
    body_window: 4 << 10..=16 << 20,
    store_window: 1..=100_000,
    move_window: 1..=100_000,
    section_depth: 1..=1000,
    handshake_millis: 1_000..=HOUR,
    // All connections together have ten seconds.
    leave_millis: 0..=9_000,
    linger_millis: 100..=60_000,
    linger: 0..=16 << 20,
}

const HOUR: u64 = 60 * 60 * 1000;

fn set<T: TryFrom<u64>>(
    name: &str,
    value: Option<&Spanned<i64>>,
    range: RangeInclusive<u64>,
    into: &mut T,
) -> Result<(), (Range<usize>, String)> {
    let Some(value) = value else {
        return Ok(());
    };
    let number = u64::try_from(*value.get_ref()).ok();
    let number = number.filter(|n| range.contains(n));
    let Some(number) = number.and_then(|n| T::try_from(n).ok()) else {
        let (least, most) = range.into_inner();
        let text = format!("{name} is {}; expected {least} to {most}", value.get_ref());
        return Err((value.span(), text));
    };
    *into = number;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_of_the_core_can_be_set() {
        let debug = format!("{:?}", Limits::default());
        let fields: Vec<_> = debug
            .split(['{', ',', '}'])
            .filter_map(|part| Some(part.split_once(':')?.0.trim()))
            .collect();
        assert_eq!(NAMES, fields, "src/cli/config/limits.rs has a row for each");
    }

    #[test]
    fn the_defaults_are_allowed_and_every_row_has_two_ends() {
        let debug = format!("{:?}", Limits::default()).replace("Limits {", "");
        let text: String = debug
            .replace('}', "")
            .split(',')
            .map(|pair| pair.replace(':', " = ") + "\n")
            .collect();
        let mut limits = Limits::default();
        let table: Table = toml::from_str(&text).unwrap();
        table.apply(&mut limits).unwrap();
        assert_eq!(limits, Limits::default());
        for name in NAMES {
            for bad in ["-1", "9223372036854775807"] {
                let table: Table = toml::from_str(&format!("{name} = {bad}")).unwrap();
                let (span, text) = table.apply(&mut limits).unwrap_err();
                assert!(
                    text.starts_with(&format!("{name} is {bad}; expected ")),
                    "{text}"
                );
                assert_eq!(span.start, name.len() + 3);
            }
        }
        assert_eq!(limits, Limits::default(), "an error changes nothing");
    }

    #[test]
    fn at_under_and_over() {
        let mut limits = Limits::default();
        let mut set = |value: u64| {
            let table: Table = toml::from_str(&format!("idle_millis = {value}")).unwrap();
            table.apply(&mut limits).is_ok()
        };
        assert!(!set(HOUR / 2 - 1) && set(HOUR / 2) && set(24 * HOUR) && !set(24 * HOUR + 1));
    }
}
