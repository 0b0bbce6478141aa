//! A private PostgreSQL cluster, a child of this process, from an unpacked distribution folder (`bin/initdb`,
//! `bin/postgres`).
//!
//! Durable for `mywork dev`, where the data folder outlives the program; or throw-away for tests, copied in milliseconds
//! from a template that `initdb` made once. It listens on the loopback address alone, where everybody on the machine may
//! connect, and stops when the [`Cluster`] is dropped; on Linux the kernel also stops it when we die without a word. Started
//! as root, PostgreSQL runs as `postgres` or `nobody`, because it refuses root.

mod account;
mod server;

use account::Account;
use server::{Server, Settings};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

/// The superuser of every cluster made here.
const SUPERUSER: &str = "app";

/// What to start.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Folder with `bin/initdb`, `bin/postgres` and what they need.
    pub distribution: PathBuf,
    /// Durable: the data folder itself, made when missing. Throw-away: a folder for the template and the copies of it.
    pub data: PathBuf,
    /// On the loopback address; none takes a free one.
    pub port: Option<u16>,
    /// Whether data outlives the cluster, and a power cut.
    pub durable: bool,
}

/// Why there is no database, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("there is no PostgreSQL in {}: run bin/dev, which fetches it, or set DATABASE_URL", .0.display())]
    NoDistribution(PathBuf),
    #[error(
        "the database in {} was written by PostgreSQL {found}, and this is {expected}: move that folder away to begin \
         afresh, or put the older PostgreSQL back",
        .data.display()
    )]
    OtherMajorVersion { data: PathBuf, found: String, expected: String },
    #[error("port {0} is taken: stop what listens there, or choose another port")]
    PortTaken(u16),
    #[error("the disk that holds {} is full: free some space and start again", .0.display())]
    DiskFull(PathBuf),
    #[error("another process is using the database in {}: stop it first", .0.display())]
    InUse(PathBuf),
    #[error("PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as: create one")]
    NoAccount,
    #[error("{} cannot be {act}: {source}", .path.display())]
    File { path: PathBuf, act: &'static str, source: io::Error },
    #[error("PostgreSQL could not be started: {0}")]
    Failed(String),
}

/// A running cluster. Dropping it stops the server, and removes the data of a throw-away one.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    throw_away: Option<PathBuf>,
}

impl Cluster {
    /// Starts the cluster and waits until it takes connections. Blocks for about 0.2 seconds, the first time for one or two.
    pub fn start(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let account = Account::to_run_as()?;
        let programs = programs(&options.distribution, &account)?;
        if options.durable {
            let data = account.reachable_data(&options.data)?;
            prepare_durable(&data, &programs, &account)?;
            let log = data.with_extension("log");
            let server =
                Server::start(&programs, &account, &Settings { data: &data, log: &log, port: options.port, durable: true })?;
            Ok(Self { server, throw_away: None })
        } else {
            let base = account.reachable_data(&options.data)?;
            let data = copy_of_template(&base, &programs, &account)?;
            let log = data.join("server.log");
            match Server::start(&programs, &account, &Settings { data: &data, log: &log, port: options.port, durable: false }) {
                Ok(server) => Ok(Self { server, throw_away: Some(data) }),
                Err(error) => {
                    remove_quietly(&data);
                    Err(error)
                }
            }
        }
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Address of a database in the cluster, as the superuser. `postgres` exists from the start.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.server.port())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.server.stop();
        if let Some(data) = &self.throw_away {
            remove_quietly(data);
        }
    }
}

/// The folder of programs, or of a copy of them where the account can reach it.
fn programs(distribution: &Path, account: &Account) -> Result<PathBuf, ClusterError> {
    let missing = |_| ClusterError::NoDistribution(distribution.to_owned());
    let found = fs::canonicalize(distribution).map_err(missing)?;
    for program in ["bin/initdb", "bin/postgres"] {
        fs::metadata(found.join(program)).map_err(missing)?;
    }
    let reachable = account.reachable_distribution(&found)?;
    let programs = reachable.join("bin");
    fs::canonicalize(&programs).map_err(|source| ClusterError::File { path: programs, act: "found", source })
}

fn prepare_durable(data: &Path, programs: &Path, account: &Account) -> Result<(), ClusterError> {
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(found) => {
            let (found, expected) = (found.trim().to_owned(), major_version(programs, account)?);
            if found != expected {
                return Err(ClusterError::OtherMajorVersion { data: data.to_owned(), found, expected });
            }
            Ok(())
        }
        Err(_) => {
            // Beside it and renamed, so that one half made is never taken for whole.
            let half = data.with_extension("new");
            initdb(&half, programs, account, true)?;
            remove_if_empty(data)?;
            rename(&half, data)
        }
    }
}

/// A fresh data folder, copied from the template. What earlier processes left behind when they were killed is swept out.
fn copy_of_template(base: &Path, programs: &Path, account: &Account) -> Result<PathBuf, ClusterError> {
    static COPIES: AtomicU32 = AtomicU32::new(0);
    let opened = || File::options().create(true).truncate(false).write(true).open(base.join("lock"));
    let held = opened().and_then(|lock| lock.lock().map(|()| lock));
    let lock = held.map_err(|source| ClusterError::File { path: base.join("lock"), act: "locked", source })?;
    let template = base.join(format!("template-{}", major_version(programs, account)?));
    if !template.join("PG_VERSION").exists() {
        let half = template.with_extension("new");
        initdb(&half, programs, account, false)?;
        rename(&half, &template)?;
    }
    sweep(base);
    let copy = base.join(format!("run-{}-{}", std::process::id(), COPIES.fetch_add(1, Ordering::Relaxed)));
    let mut cp = account.command(Path::new("/bin/cp"), base);
    cp.args(["-R", "-p"]);
    if cfg!(target_os = "linux") {
        cp.arg("--reflink=auto");
    }
    cp.arg(&template).arg(&copy);
    let copied = run(&mut cp, base).and_then(|output| accept(&output, base));
    drop(lock);
    copied.map(|_| copy)
}

/// Removes the copies of processes that are gone.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix("run-")?.split('-').next()?.parse().ok());
        if owner.is_some_and(|process| !server::is_alive(process)) {
            remove_quietly(&entry.path());
        }
    }
}

fn initdb(data: &Path, programs: &Path, account: &Account, durable: bool) -> Result<(), ClusterError> {
    remove_quietly(data);
    account.make_folder(data, 0o700)?;
    let mut initdb = account.command(&programs.join("initdb"), data);
    initdb.args(["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--no-instructions"]);
    // Sorts by code point everywhere, whatever locales the machine has.
    initdb.args(["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]);
    if !durable {
        initdb.arg("--no-sync");
    }
    initdb.arg("--pgdata").arg(data);
    let outcome = run(&mut initdb, data).and_then(|output| accept(&output, data));
    if outcome.is_err() {
        remove_quietly(data);
    }
    outcome.map(|_| ())
}

fn major_version(programs: &Path, account: &Account) -> Result<String, ClusterError> {
    let answer = run(account.command(&programs.join("postgres"), Path::new("/")).arg("--version"), programs)?;
    let text = accept(&answer, programs)?;
    // `postgres (PostgreSQL) 18.4`
    text.split_whitespace()
        .filter_map(|word| word.split('.').next())
        .find(|word| word.parse::<u32>().is_ok())
        .map(str::to_owned)
        .ok_or_else(|| ClusterError::Failed(format!("`postgres --version` answered `{}`", text.trim())))
}

fn run(command: &mut Command, place: &Path) -> Result<Output, ClusterError> {
    command.output().map_err(|source| {
        if source.kind() == io::ErrorKind::StorageFull {
            return ClusterError::DiskFull(place.to_owned());
        }
        ClusterError::File { path: command.get_program().into(), act: "run", source }
    })
}

fn accept(output: &Output, place: &Path) -> Result<String, ClusterError> {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    Err(reason(&format!("{printed}{}", String::from_utf8_lossy(&output.stderr)), place, None))
}

/// The error behind what PostgreSQL printed.
fn reason(printed: &str, place: &Path, port: Option<u16>) -> ClusterError {
    if printed.contains("No space left on device") {
        return ClusterError::DiskFull(place.to_owned());
    }
    if printed.contains("lock file \"postmaster.pid\" already exists") || printed.contains("is another postmaster") {
        return ClusterError::InUse(place.to_owned());
    }
    if let Some(port) = port.filter(|_| printed.contains("Address already in use")) {
        return ClusterError::PortTaken(port);
    }
    let told: Vec<&str> = printed.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = told.iter().rev().find(|line| line.contains("FATAL") || line.contains("error:")).or(told.last());
    ClusterError::Failed(last.map_or_else(|| "it said nothing".to_owned(), |line| (*line).to_owned()))
}

fn rename(from: &Path, to: &Path) -> Result<(), ClusterError> {
    fs::rename(from, to).map_err(|source| ClusterError::File { path: to.to_owned(), act: "put in place", source })
}

fn remove_if_empty(folder: &Path) -> Result<(), ClusterError> {
    match fs::remove_dir(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ClusterError::File { path: folder.to_owned(), act: "used for a database, because it is not empty", source })
        }
        _ => Ok(()),
    }
}

fn remove_quietly(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "a folder of a database could not be removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgres_prints_becomes_a_sentence() {
        let data = Path::new("/data");
        let told = |printed: &str| reason(printed, data, Some(5432)).to_string();
        assert_eq!(
            told("FATAL:  could not write lock file: No space left on device"),
            "the disk that holds /data is full: free some space and start again"
        );
        assert_eq!(
            told(
                "LOG:  could not bind IPv4 address \"127.0.0.1\": Address already in use\nFATAL:  could not create any TCP/IP sockets"
            ),
            "port 5432 is taken: stop what listens there, or choose another port"
        );
        assert_eq!(
            told("FATAL:  lock file \"postmaster.pid\" already exists\nHINT:  Is another postmaster (PID 1) running?"),
            "another process is using the database in /data: stop it first"
        );
        assert_eq!(
            told("LOG:  x\nFATAL:  data directory is odd\nLOG:  bye"),
            "PostgreSQL could not be started: FATAL:  data directory is odd"
        );
    }

    #[test]
    fn without_a_distribution_it_says_what_to_run() {
        let options =
            ClusterOptions { distribution: "/nowhere".into(), data: "/nowhere/data".into(), port: None, durable: false };
        let error = Cluster::start(&options).unwrap_err();
        assert_eq!(error.to_string(), "there is no PostgreSQL in /nowhere: run bin/dev, which fetches it, or set DATABASE_URL");
    }
}
