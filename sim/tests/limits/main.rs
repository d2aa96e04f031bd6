//! Every bound of a session, at, under and over it: what breaks one gets the answer it is due, and the session goes on or ends as it should;
//! another session of the same host never notices.

mod input;
mod names;
mod patience;
mod talk;
mod windows;

use std::collections::BTreeSet;

use pillarbox_core::limits::Limits;

/// A field of `Limits` and its case.
type Case = (&'static str, fn());

const CASES: &[Case] = &[
    ("line_before_login", input::line_before_login),
    ("line", input::line),
    ("command_before_login", input::command_before_login),
    ("command", input::command),
    ("skip", input::skip),
    ("literal_minus", input::literal_minus),
    ("append", input::append),
    ("tokens_before_login", input::tokens_before_login),
    ("tokens", input::tokens),
    ("depth_before_login", input::depth_before_login),
    ("search_depth", input::search_depth),
    ("search_texts", input::search_texts),
    ("search_header", windows::search_header),
    ("tag", input::tag),
    ("sasl", input::sasl),
    ("bad_before_login", patience::bad_before_login),
    ("bad", patience::bad),
    ("failed_logins", patience::failed_logins),
    ("login_millis", patience::login_millis),
    ("first_command_millis", patience::first_command_millis),
    ("idle_millis", patience::idle_millis),
    ("still_here_millis", patience::still_here_millis),
    ("write_stall_millis", patience::write_stall_millis),
    ("rest_millis", patience::rest_millis),
    ("output_before_login", patience::output_before_login),
    ("output_high_water", patience::output_high_water),
    ("mailbox_name", names::mailbox_name),
    ("mailbox_depth", names::mailbox_depth),
    ("id_pairs", names::id_pairs),
    ("id_field", names::id_field),
    ("id_value", names::id_value),
    ("append_messages", names::append_messages),
    ("list_patterns", names::list_patterns),
    ("list_octets", names::list_octets),
    ("status_page", windows::status_page),
    ("changes_page", windows::changes_page),
    ("ranges_page", windows::ranges_page),
    ("fetch_page", windows::fetch_page),
    ("inline_body", windows::inline_body),
    ("body_window", windows::body_window),
    ("store_window", windows::store_window),
    ("move_window", windows::move_window),
    ("section_depth", input::section_depth),
];

/// Bounds of a transport, which these sessions have none of: each has its case in driver/tests/connection/limits.rs.
const TRANSPORT: &[&str] = &[
    "handshake_millis",
    "leave_millis",
    "linger_millis",
    "linger",
];

#[test]
fn every_field_of_limits_has_a_case() {
    // `Limits` may grow, so it cannot be taken apart here; its debug form names every field.
    let printed = format!("{:?}", Limits::default());
    let fields: BTreeSet<&str> = printed
        .split_once("{ ")
        .map_or("", |(_, rest)| rest)
        .split(", ")
        .filter_map(|field| field.split(": ").next())
        .collect();
    assert!(
        fields.len() > 30,
        "the fields are not read rightly: {fields:?}"
    );
    let cases = CASES.iter().map(|(name, _)| name).chain(TRANSPORT);
    let cases: BTreeSet<&str> = cases.copied().collect();
    let transport = include_str!("../../../driver/tests/connection/limits.rs");
    for name in TRANSPORT {
        let case = format!("#[test]\nfn {name}() {{");
        assert!(transport.contains(&case), "{name} has no case");
    }
    assert_eq!(
        fields, cases,
        "a field of Limits without a case, or a case without a field"
    );
    for (name, case) in CASES {
        println!("{name}");
        case();
    }
}
