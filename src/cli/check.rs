//! `pillarbox config`: looks at a configuration without serving it.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use pillarbox::driver::TlsConfig;
use pillarbox::store::FileAccounts;

use super::config::{self, Config, Source, TlsFiles};

/// Options of `pillarbox config`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Reads a configuration and the files it names, and says what is wrong.
    Check {
        /// The configuration.
        #[arg(long, default_value = config::FILE)]
        config: PathBuf,
    },
}

impl Check {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let Verb::Check { config: path } = self.verb;
        let config = Config::read(&path)?;
        if let Some(files) = &config.tls {
            load_tls(files)?;
        }
        if let Source::File(users) = &config.accounts {
            load_file(users)?;
        }
        writeln!(std::io::stdout(), "{} is right", path.display())?;
        Ok(())
    }
}

/// The certificate and key of a configuration.
pub fn load_tls(files: &TlsFiles) -> Result<TlsConfig, String> {
    let (chain, key) = read_tls(files)?;
    TlsConfig::from_pem(&chain, &key).map_err(|e| tls_fault(files, &e))
}

pub fn read_tls(files: &TlsFiles) -> Result<(Vec<u8>, Vec<u8>), String> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
    Ok((read(&files.certificates)?, read(&files.key)?))
}

pub fn tls_fault(files: &TlsFiles, error: &pillarbox::driver::TlsError) -> String {
    let (certificates, key) = (files.certificates.display(), files.key.display());
    format!("{certificates} and {key}: {error}")
}

/// The accounts of a file.
pub fn load_file(path: &PathBuf) -> Result<FileAccounts, String> {
    FileAccounts::read(path).map_err(|e| format!("{}: {e}", path.display()))
}
