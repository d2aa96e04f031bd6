//! Flags as bits over the names that the histories use.

/// The flags of one message, `\Recent` not among them.
pub type FlagSet = u16;

/// Names to bits.
pub struct Flags;

impl Flags {
    /// Every flag, system flags first.
    pub const NAMES: [&'static str; 9] = [
        "\\Seen",
        "\\Answered",
        "\\Flagged",
        "\\Deleted",
        "\\Draft",
        "Work",
        "$Forwarded",
        "Later",
        "$Junk",
    ];
    /// \Seen.
    pub const SEEN: FlagSet = 1;
    /// \Deleted.
    pub const DELETED: FlagSet = 8;
    /// The keywords.
    pub const KEYWORDS: FlagSet = 0x1e0;

    /// The bits of these names, `\Recent` and `\*` passed over.
    ///
    /// # Errors
    /// A name that nobody ever set.
    pub fn of(names: &[String]) -> Result<FlagSet, String> {
        let mut bits = 0;
        for name in names.iter().filter(|n| *n != "\\Recent" && *n != "\\*") {
            let at = Self::NAMES
                .iter()
                .position(|n| n.eq_ignore_ascii_case(name));
            bits |= 1 << at.ok_or_else(|| format!("nobody ever set the flag {name}"))?;
        }
        Ok(bits)
    }

    /// The names of these bits, a space between each two.
    #[must_use]
    pub fn names(bits: FlagSet) -> String {
        let names = Self::NAMES
            .iter()
            .zip(0..)
            .filter(|(_, i)| bits & (1 << i) != 0);
        names.map(|(n, _)| *n).collect::<Vec<_>>().join(" ")
    }
}
