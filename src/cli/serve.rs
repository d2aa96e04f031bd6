//! `pillarbox serve`: the server that a configuration describes.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use clap::Args;
use pillarbox::driver::{Hub, ListenerKind, Service, TlsConfig};
use pillarbox::protocol::session::Bye;
use pillarbox::store::{
    AccountError, AccountTable, Accounts, Backend, FileAccounts, StoredAccounts,
};
use pillarbox::{Server, Settings};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::check::{load_file, load_tls, read_tls, tls_fault};
use super::config::{self, Config, Listener, Source};
use super::control::{Control, Served};
use super::log::{Level, Line, Log};
use super::mend;
use super::record::Recordings;
use super::request::{Admin, Mail, Registry};
use super::runtime::Choice;
use super::signals;

/// Options of `pillarbox serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration.
    #[arg(long, default_value = config::FILE)]
    config: PathBuf,
    /// The runtime to serve on.
    #[arg(long, value_enum, default_value_t = Choice::default())]
    runtime: Choice,
}

impl Serve {
    /// Serves until a signal.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let config = Config::read(&self.config)?;
        let log = Log::start()?;
        let people = People::open(&config)?;
        let backend = Arc::new(mend::open(&config.store, &log)?);
        let tls = config.tls.as_ref().map(load_tls).transpose()?;
        let mail: Weak<dyn Backend> = Arc::downgrade(&backend) as _;
        let mut builder = Server::builder(backend, people.accounts())
            .settings(within_descriptors(config.settings.clone(), &log))
            .observer(Arc::new(log.clone()));
        for listener in &config.listen {
            builder = match listener.implicit_tls {
                true => builder.listen_tls(listener.address.to_string()),
                false => builder.listen(listener.address.to_string()),
            };
        }
        if let Some(record) = &config.record {
            let recordings = Recordings::open(record, &log)?;
            builder = builder.record(move |peer| recordings.begin(peer));
        }
        if let Some(tls) = &tls {
            builder = builder.tls(tls.clone());
        }
        let server = builder.build()?;
        let control = people.control(&config, mail, &server, &log)?;
        let lines = addresses(&server, &config);
        let addresses = server.addresses().iter().copied();
        let reload = Reload {
            path: self.config,
            listening: config.listen.iter().cloned().zip(addresses).collect(),
            began: config,
            people,
            service: Arc::downgrade(server.service()),
            tls,
            log: log.clone(),
        };
        signals::watch(server.hub().clone(), Some(reload.on_signal()))?;
        // Who waits for these may send signals from here on.
        lines.into_iter().for_each(|line| log.write(line));
        server.run(self.runtime.into())?;
        control.close();
        log.write(Line::new(Level::Info, "stopped"));
        log.flush();
        Ok(())
    }
}

/// A line for each listener, with the port that 0 became.
fn addresses(server: &Server, config: &Config) -> Vec<Line> {
    let listeners = server.addresses().iter().zip(&config.listen);
    let lines = listeners.map(|(address, listener)| listening(*address, listener, config));
    lines.collect()
}

fn listening(address: SocketAddr, listener: &Listener, config: &Config) -> Line {
    let tls = match (listener.implicit_tls, &config.tls) {
        (true, _) => "implicit",
        (false, Some(_)) => "starttls",
        (false, None) => "none",
    };
    let line = Line::new(Level::Info, "listening");
    line.field("address", address).field("tls", tls)
}

/// As many descriptors as the system gives, and no more connections than fit in.
fn within_descriptors(mut settings: Settings, log: &Log) -> Settings {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What is not given is counted below.
    let _ = setrlimit(Resource::Nofile, limit);
    let Some(given) = getrlimit(Resource::Nofile).current else {
        return settings;
    };
    let room = usize::try_from(given).unwrap_or(usize::MAX);
    let room = room.saturating_sub(RESERVED).max(1);
    if settings.max_connections > room {
        let line = Line::new(Level::Warn, "fewer_connections");
        let text = "the system gives too few file descriptors for max_connections; raise its limit (ulimit -n, LimitNOFILE)";
        log.write(
            line.field("max", room)
                .field("wanted", settings.max_connections)
                .field("why", text),
        );
        settings.max_connections = room;
    }
    settings
}

/// Descriptors for files of the store, listeners, and connections that are told that they are too many.
const RESERVED: usize = 128;

/// Who may sign in.
#[derive(Clone)]
enum People {
    Stored(Arc<AccountTable>, Arc<StoredAccounts>),
    File(Arc<FileAccounts>),
}

impl People {
    fn open(config: &Config) -> Result<Self, Box<dyn Error>> {
        Ok(match &config.accounts {
            Source::Store => {
                let open = || AccountTable::open(&config.store);
                let in_use = |e: &AccountError| matches!(e, AccountError::InUse(_));
                let table = Arc::new(patiently(open, in_use)?);
                Self::Stored(table.clone(), Arc::new(StoredAccounts::new(table)?))
            }
            Source::File(path) => Self::File(Arc::new(load_file(path)?)),
        })
    }

    fn accounts(&self) -> Arc<dyn Accounts> {
        match self {
            Self::Stored(_, accounts) => accounts.clone(),
            Self::File(accounts) => accounts.clone(),
        }
    }

    /// The door for `pillarbox account` and `pillarbox deliver`.
    fn control(
        &self,
        config: &Config,
        mail: Weak<dyn Backend>,
        server: &Server,
        log: &Log,
    ) -> Result<Control, String> {
        let admin = Admin {
            people: match self {
                Self::Stored(table, _) => Registry::Table(table.clone()),
                Self::File(accounts) => Registry::File(accounts.clone()),
            },
            mail: Mail::Served(mail),
            hub: Some(server.hub().clone()),
        };
        let (began, service) = (
            config.settings.limits.append,
            Arc::downgrade(server.service()),
        );
        let now = move || {
            let service = service.upgrade();
            service.map_or(began, |s| s.settings().limits.append)
        };
        let served = Served {
            admin,
            append: Box::new(now),
            log: log.clone(),
        };
        let folder = config.store.display();
        Control::start(&config.store, served).map_err(|e| {
            format!(
                "cannot open control.sock in {folder} ({e}); if the path is too long, move the store"
            )
        })
    }
}

/// Opens what a `pillarbox account` or `pillarbox deliver` may have for a moment, which is waited for.
pub fn patiently<T, E>(
    open: impl Fn() -> Result<T, E>,
    in_use: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let began = Instant::now();
    loop {
        match open() {
            Err(e) if in_use(&e) && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(3);

/// What SIGHUP reads again. What is refused stays as it was.
struct Reload {
    path: PathBuf,
    /// The configuration the server began with: some of it stays.
    began: Config,
    /// What is listened on now, and at which address.
    listening: Vec<(Listener, SocketAddr)>,
    people: People,
    /// Not held, so that the store is closed before the process ends.
    service: Weak<Service>,
    tls: Option<TlsConfig>,
    log: Log,
}

/// What becomes of the listeners at SIGHUP.
#[derive(Default)]
struct Listeners {
    kept: Vec<(Listener, SocketAddr)>,
    /// The same addresses, with TLS from the first octet where there was none, or the other way round.
    turned: Vec<(Listener, SocketAddr)>,
    opened: Vec<(Listener, TcpListener)>,
    gone: Vec<(Listener, SocketAddr)>,
}

impl Listeners {
    /// Takes the first that is so from those that go.
    fn find(&mut self, is: impl Fn(&Listener) -> bool) -> Option<(Listener, SocketAddr)> {
        let at = self.gone.iter().position(|(listener, _)| is(listener))?;
        Some(self.gone.remove(at))
    }

    fn is_change(&self) -> bool {
        !(self.turned.is_empty() && self.opened.is_empty() && self.gone.is_empty())
    }
}

fn kind(listener: &Listener) -> ListenerKind {
    match listener.implicit_tls {
        true => ListenerKind::Tls,
        false => ListenerKind::Plain,
    }
}

impl Reload {
    fn on_signal(mut self) -> signals::Reload {
        Box::new(move || self.run())
    }

    fn run(&mut self) {
        let Some(service) = self.service.upgrade() else {
            return;
        };
        let config = match Config::read(&self.path) {
            Ok(config) => config,
            Err(error) => return self.refused("configuration", &error.to_string()),
        };
        let opened = match self.open(&config) {
            Ok(opened) => opened,
            Err(error) => return self.refused("listeners", &error),
        };
        if let Err(error) = self.certificates(&config) {
            self.refused("certificates", &error);
        }
        if let Err(error) = self.accounts(service.hub()) {
            self.refused("accounts", &error);
        }
        let mut settings = within_descriptors(config.settings.clone(), &self.log);
        let waits = self.needs_restart(&config);
        if !waits.is_empty() {
            let line = Line::new(Level::Warn, "restart_needed");
            self.log.write(line.field("what", waits.join(",")));
        }
        if self.listen(service.hub(), &config, opened) || !waits.is_empty() {
            // It was checked against other listeners than there are, or have been until now.
            settings.plaintext_login &= service.settings().plaintext_login;
        }
        service.replace_settings(settings);
        self.log.write(Line::new(Level::Info, "reloaded"));
    }

    /// What is other than it was and stays so until a restart.
    fn needs_restart(&self, config: &Config) -> Vec<&'static str> {
        let began = &self.began;
        let changed = [
            ("store", config.store != began.store),
            ("tls", config.tls.is_some() != began.tls.is_some()),
            ("accounts", config.accounts != began.accounts),
            ("record", config.record != began.record),
        ];
        let changed = changed.into_iter().filter(|(_, is)| *is);
        changed.map(|(what, _)| what).collect()
    }

    /// Whether listeners can be others: those of a configuration that has TLS where this server has none cannot be had, and the other way round.
    fn can_listen(&self, config: &Config) -> bool {
        config.tls.is_some() == self.began.tls.is_some()
    }

    /// Binds what is not listened on yet: all of it, or nothing changes.
    fn open(&self, config: &Config) -> Result<Listeners, String> {
        let mut listeners = Listeners {
            gone: self.listening.clone(),
            ..Listeners::default()
        };
        if !self.can_listen(config) {
            listeners.kept.append(&mut listeners.gone);
            return Ok(listeners);
        }
        let mut others = Vec::new();
        for listener in &config.listen {
            match listeners.find(|l| l == listener) {
                Some(there) => listeners.kept.push(there),
                None => others.push(listener),
            }
        }
        for listener in others {
            if let Some((_, address)) = listeners.find(|l| l.address == listener.address) {
                listeners.turned.push((listener.clone(), address));
                continue;
            }
            let bound = TcpListener::bind(listener.address);
            let bound = bound.map_err(|e| format!("cannot listen on {}: {e}", listener.address))?;
            listeners.opened.push((listener.clone(), bound));
        }
        Ok(listeners)
    }

    /// Accepts from what was opened and no more from what is not named any more; whether anything changed.
    fn listen(&mut self, hub: &Hub, config: &Config, listeners: Listeners) -> bool {
        let changed = listeners.is_change();
        self.listening = listeners.kept;
        for (_, address) in listeners.gone {
            hub.close(address);
            let line = Line::new(Level::Info, "listener_closed");
            self.log.write(line.field("address", address));
        }
        for (listener, address) in listeners.turned {
            hub.turn(address, kind(&listener));
            self.log.write(listening(address, &listener, config));
            self.listening.push((listener, address));
        }
        for (listener, bound) in listeners.opened {
            match hub.listen(bound, kind(&listener)) {
                Ok(address) => {
                    self.log.write(listening(address, &listener, config));
                    self.listening.push((listener, address));
                }
                Err(error) => self.refused("listeners", &error.to_string()),
            }
        }
        changed
    }

    fn certificates(&self, config: &Config) -> Result<(), String> {
        let (Some(files), Some(tls)) = (&config.tls, &self.tls) else {
            return Ok(());
        };
        let (chain, key) = read_tls(files)?;
        tls.replace(&chain, &key).map_err(|e| tls_fault(files, &e))
    }

    /// Sessions of accounts that are gone or have another hash end.
    fn accounts(&self, hub: &Hub) -> Result<(), String> {
        let (People::File(accounts), Source::File(path)) = (&self.people, &self.began.accounts)
        else {
            return Ok(());
        };
        let reloaded = accounts
            .reload()
            .map_err(|e| format!("{}: {e}", path.display()))?;
        for id in reloaded.removed {
            hub.disconnect(id, Bye::AccountDisabled);
        }
        for id in reloaded.changed {
            hub.disconnect(id, Bye::PasswordChanged);
        }
        Ok(())
    }

    fn refused(&self, what: &str, error: &str) {
        let line = Line::new(Level::Error, "reload_refused");
        self.log
            .write(line.field("what", what).field("error", error));
    }
}
