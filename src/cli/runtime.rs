//! `--runtime`.

use clap::ValueEnum;
use pillarbox::Runtime;

/// A runtime by name.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Choice {
    #[cfg(feature = "runtime-tokio")]
    #[cfg_attr(feature = "runtime-tokio", default)]
    Tokio,
    #[cfg(feature = "runtime-smol")]
    #[cfg_attr(all(feature = "runtime-smol", not(feature = "runtime-tokio")), default)]
    Smol,
    #[cfg(not(any(feature = "runtime-tokio", feature = "runtime-smol")))]
    #[default]
    None,
}

impl From<Choice> for Runtime {
    fn from(choice: Choice) -> Self {
        match choice {
            #[cfg(feature = "runtime-tokio")]
            Choice::Tokio => Self::Tokio,
            #[cfg(feature = "runtime-smol")]
            Choice::Smol => Self::Smol,
            #[cfg(not(any(feature = "runtime-tokio", feature = "runtime-smol")))]
            Choice::None => Self::None,
        }
    }
}
