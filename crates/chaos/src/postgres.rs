//! A private Postgres that can be hurt: stopped, killed in the midst of its work, and started again on the same port with the
//! same data. It commits in earnest (`synchronous_commit`), and only what would survive a power cut is spared.
//!
//! Postgres refuses root; as root it runs as `postgres` or `nobody`, from a copy of the programs where that user cannot read
//! the originals.

use crate::signals::{self, Signal};
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time::sleep;

const SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "max_connections=400",
    "shared_buffers=128MB",
    "log_min_messages=warning",
    "restart_after_crash=on",
];

/// See the module.
pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    user: Option<(u32, u32)>,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Makes a cluster from the programs in `distribution` and starts it.
    pub async fn start(distribution: &Path) -> Result<Self> {
        let programs = distribution
            .join("bin")
            .canonicalize()
            .with_context(|| format!("there is no PostgreSQL in {}: run bin/prepare", distribution.display()))?;
        let folder = tempfile::Builder::new().prefix("mywork-chaos-").permissions(fs::Permissions::from_mode(0o755)).tempdir()?;
        let user = if signals::is_root() { Some(unprivileged()?) } else { None };
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut postgres = Self { programs, folder, user, port, server: None };
        if !postgres.can_run() {
            let copy = postgres.folder.path().join("postgres");
            let copied = Command::new("cp").arg("-RL").arg(distribution).arg(&copy).status()?;
            anyhow::ensure!(copied.success(), "PostgreSQL could not be copied to {}", copy.display());
            postgres.programs = copy.join("bin").canonicalize()?;
        }
        let data = postgres.data();
        fs::create_dir(&data)?;
        if let Some((user, group)) = user {
            chown(&data, Some(user), Some(group))?;
        }
        let made = postgres
            .command("initdb")
            .args(["-U", "chaos", "-A", "trust", "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"])
            .arg("--no-sync")
            .arg("-D")
            .arg(&data)
            .output()?;
        anyhow::ensure!(made.status.success(), "no cluster could be made: {}", String::from_utf8_lossy(&made.stderr));
        postgres.up().await?;
        Ok(postgres)
    }

    /// Where it listens, whenever it does.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder, where others may keep things for as long as it lives.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the server and waits until it takes connections, crash recovery included.
    pub async fn up(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.path().join("postgres.log"))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.stderr(log).process_group(0);
        signals::die_with_us(&mut command);
        let mut server = command.spawn().context("PostgreSQL could not be started")?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.is_ready(&server) {
            if server.try_wait()?.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.path().join("postgres.log")).unwrap_or_default();
                bail!("PostgreSQL did not start:\n{log}");
            }
            sleep(Duration::from_millis(10)).await;
        }
        self.server = Some(server);
        Ok(())
    }

    /// Stops it in order (`fast`), or in the midst of everything (`immediate`), which the next start has to recover from.
    pub async fn down(&mut self, immediate: bool) -> Result<()> {
        let Some(server) = &mut self.server else { return Ok(()) };
        signals::send(server.id(), if immediate { Signal::Quit } else { Signal::Interrupt });
        while server.try_wait()?.is_none() {
            sleep(Duration::from_millis(10)).await;
        }
        self.server = None;
        Ok(())
    }

    /// Leaves its folder where it is, for whoever wants to know what happened.
    pub fn keep_folder(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn can_run(&self) -> bool {
        self.command("postgres").arg("--version").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// The eighth line of `postmaster.pid` says `ready` only when it is; the first one, that the file is not an older server's.
    fn is_ready(&self, server: &Child) -> bool {
        let Ok(written) = fs::read_to_string(self.data().join("postmaster.pid")) else { return false };
        let lines: Vec<&str> = written.lines().map(str::trim).collect();
        lines.first().is_some_and(|line| *line == server.id().to_string())
            && lines.get(7) == Some(&"ready")
            && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            signals::send(server.id(), Signal::Quit);
            if let Err(error) = server.wait() {
                eprintln!("PostgreSQL could not be awaited: {error}");
            }
        }
    }
}

/// User and group of `postgres` or `nobody`.
fn unprivileged() -> Result<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    ids("postgres").or_else(|| ids("nobody")).context("PostgreSQL does not run as root, and there is neither postgres nor nobody")
}
