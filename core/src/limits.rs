//! Every bound in one place.

// A bound that is added or changed has its row in docs/limits.md, in src/cli/config/limits.rs and in pillarbox.toml; tests compare them.

/// What a session refuses to go beyond; each bound has a default and a reason.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of a command line before login: a SASL response fits, a flood does not.
    pub line_before_login: usize,
    /// Octets of a command line after login: a long UID set fits.
    pub line: usize,
    /// Octets of one command with its literals (no APPEND message), before login.
    pub command_before_login: usize,
    /// Octets of one command with its literals (no APPEND message), after login.
    pub command: usize,
    /// Octets skipped of a refused command before the connection is given up: those of its lines, before login those of its literals too.
    pub skip: usize,
    /// Octets of a non-synchronising literal before login, and under LITERAL- (RFC 7888 §5).
    pub literal_minus: u64,
    /// Octets of one message (RFC 7889).
    pub append: u64,
    /// Tokens of a command before login, ID excepted: memory is counted, not octets, and what holds more counts as several.
    pub tokens_before_login: usize,
    /// Tokens of a command after login.
    pub tokens: usize,
    /// Nested search keys before login.
    pub depth_before_login: usize,
    /// Nested search keys: parentheses, NOT and OR alike.
    pub search_depth: usize,
    /// BODY and TEXT keys of one SEARCH: each looks through whole messages.
    pub search_texts: usize,
    /// Octets of each header that SEARCH looks through, those of messages within others too: its fields are decoded as a whole.
    pub search_header: u64,
    /// Octets of a tag.
    pub tag: usize,
    /// Octets of a SASL response.
    pub sasl: usize,
    /// Bad commands in a row before login.
    pub bad_before_login: u32,
    /// Bad commands in a row after login.
    pub bad: u32,
    /// Failed logins on one connection.
    pub failed_logins: u32,
    /// Milliseconds from the connection to the login.
    pub login_millis: u64,
    /// Milliseconds from the connection to the first valid command.
    pub first_command_millis: u64,
    /// Milliseconds without a command after login; 30 minutes is the least allowed (RFC 9051 §5.4).
    pub idle_millis: u64,
    /// Milliseconds between `* OK Still here` in IDLE, so that middle boxes keep the connection.
    pub still_here_millis: u64,
    /// Milliseconds without progress of output.
    pub write_stall_millis: u64,
    /// Milliseconds for the rest of a command to arrive when the server ends the session; no octet extends them.
    pub rest_millis: u64,
    /// Octets of output queued before no more is produced, before login.
    pub output_before_login: usize,
    /// Octets of output queued before no more is produced.
    pub output_high_water: usize,
    /// Octets of a mailbox name; 1000 is the most a name can have at all.
    pub mailbox_name: usize,
    /// Levels of a mailbox name; 64 is the most a name can have at all.
    pub mailbox_depth: usize,
    /// Pairs of ID (RFC 2971 §3.3).
    pub id_pairs: usize,
    /// Octets of a field name of ID.
    pub id_field: usize,
    /// Octets of a value of ID.
    pub id_value: usize,
    /// Messages of one APPEND: each holds an upload until all are stored (RFC 3502).
    pub append_messages: usize,
    /// Patterns of one LIST: each is tried on every mailbox (RFC 5258).
    pub list_patterns: usize,
    /// Octets of all patterns of one LIST, each with the reference before it and runs of wildcards as one: the work is this times the octets of all names.
    /// A pattern that has no room is ignored (RFC 9051 §6.3.9).
    pub list_octets: usize,
    /// Mailboxes whose counters are asked for at once (RFC 5819): a hop to the store for each would be most of the time.
    pub status_page: usize,
    /// Changes of flags asked for at once.
    pub changes_page: usize,
    /// Ranges of UIDs that came, and of UIDs that are gone, asked for at once: eight octets each.
    pub ranges_page: usize,
    /// Octets of rows asked for at once.
    pub fetch_page: usize,
    /// Messages of at most so many octets are read with their row.
    pub inline_body: u64,
    /// Octets of a body asked for at once.
    pub body_window: usize,
    /// Messages changed in one transaction.
    pub store_window: u64,
    /// Messages moved in one transaction.
    pub move_window: u64,
    /// Part numbers in one section: as deep as parts are told.
    pub section_depth: usize,
    /// Milliseconds for a TLS handshake; no octet extends them. This one and those below are the transport's.
    pub handshake_millis: u64,
    /// Milliseconds for the command being answered to end when the server ends the session: a client that holds one open holds up nothing.
    pub leave_millis: u64,
    /// Milliseconds for the last octets to leave after the session ended, and for a client that is still sending to end.
    pub linger_millis: u64,
    /// Octets of a client that is still sending that are taken and thrown away.
    pub linger: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_before_login: 24 << 10,
            line: 1 << 20,
            command_before_login: 24 << 10,
            command: 1 << 20,
            skip: 8 << 20,
            literal_minus: 4096,
            append: 256 << 20,
            tokens_before_login: 64,
            tokens: 64 << 10,
            depth_before_login: 1,
            search_depth: 500,
            search_texts: 100,
            search_header: 256 << 10,
            tag: 128,
            sasl: 16 << 10,
            bad_before_login: 3,
            bad: 20,
            failed_logins: 3,
            login_millis: 180_000,
            first_command_millis: 60_000,
            idle_millis: 35 * 60_000,
            still_here_millis: 10 * 60_000,
            write_stall_millis: 5 * 60_000,
            rest_millis: 4_000,
            output_before_login: 16 << 10,
            output_high_water: 256 << 10,
            mailbox_name: 1000,
            mailbox_depth: 64,
            id_pairs: 30,
            id_field: 30,
            id_value: 1024,
            append_messages: 1000,
            list_patterns: 32,
            list_octets: 4096,
            status_page: 100,
            changes_page: 2000,
            ranges_page: 16 << 10,
            fetch_page: 256 << 10,
            inline_body: 64 << 10,
            body_window: 128 << 10,
            store_window: 2000,
            move_window: 1000,
            section_depth: 100,
            handshake_millis: 30_000,
            leave_millis: 9_000,
            linger_millis: 5_000,
            linger: 256 << 10,
        }
    }
}
