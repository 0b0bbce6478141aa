//! The server process: started as a child in a process group of its own, so that Ctrl-C reaches us and not it; awaited until
//! it takes connections; stopped on request; and, on Linux, stopped by the kernel when we are killed.

use super::{ClusterError, account::Account, reason};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

const LONGEST_START: Duration = Duration::from_secs(60);
const LONGEST_STOP: Duration = Duration::from_secs(15);

pub(super) struct Settings<'a> {
    pub data: &'a Path,
    pub log: &'a Path,
    pub port: Option<u16>,
    pub durable: bool,
}

#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    process: u32,
    signal: i32,
    /// Ends when the process has.
    watcher: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(programs: &Path, account: &Account, settings: &Settings<'_>) -> Result<Self, ClusterError> {
        // Between asking for a free port and listening on it another process may take it.
        let mut attempts = if settings.port.is_some() { 1 } else { 5 };
        loop {
            attempts -= 1;
            match Self::start_once(programs, account, settings) {
                Err(ClusterError::PortTaken(_)) if attempts > 0 => {}
                outcome => return outcome,
            }
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn stop(&mut self) {
        let Some(watcher) = self.watcher.take() else { return };
        for signal in [self.signal, libc::SIGQUIT, libc::SIGKILL] {
            if !watcher.is_finished() {
                send(self.process, signal);
            }
            let begun = Instant::now();
            while !watcher.is_finished() && begun.elapsed() < LONGEST_STOP {
                std::thread::sleep(Duration::from_millis(5));
            }
            if watcher.is_finished() {
                return;
            }
        }
        tracing::warn!(process = self.process, "PostgreSQL did not stop");
    }

    fn start_once(programs: &Path, account: &Account, settings: &Settings<'_>) -> Result<Self, ClusterError> {
        let port = settings.port.map_or_else(free_port, Ok)?;
        let log = File::create(settings.log).map_err(|source| ClusterError::File {
            path: settings.log.to_owned(),
            act: "written",
            source,
        })?;
        let mut command = account.command(&programs.join("postgres"), settings.data);
        command.arg("-D").arg(settings.data);
        for setting in server_settings(port, settings.durable) {
            command.args(["-c", &setting]);
        }
        command.stdout(Stdio::null()).stderr(log).process_group(0);
        // A fast shutdown writes everything out; an immediate one does not care.
        let signal = if settings.durable { libc::SIGINT } else { libc::SIGQUIT };
        stop_with_us(&mut command, signal);

        let (started, outcome) = mpsc::channel();
        // The kernel sends the death signal when the *thread* that forked ends: this one lives as long as the server.
        let watcher = std::thread::Builder::new()
            .name("postgres".into())
            .spawn(move || match command.spawn() {
                Ok(mut child) => {
                    let told = started.send(Ok(child.id()));
                    if let Err(error) = child.wait() {
                        tracing::warn!(%error, ?told, "PostgreSQL could not be awaited");
                    }
                }
                Err(error) => drop(started.send(Err(error))),
            })
            .map_err(|error| ClusterError::Failed(error.to_string()))?;
        let spawned = outcome.recv().map_err(|error| ClusterError::Failed(error.to_string()))?;
        let process = spawned.map_err(|error| ClusterError::Failed(error.to_string()))?;

        let mut server = Self { port, process, signal, watcher: Some(watcher) };
        let begun = Instant::now();
        while begun.elapsed() < LONGEST_START {
            if server.watcher.as_ref().is_none_or(JoinHandle::is_finished) {
                let printed = fs::read_to_string(settings.log).unwrap_or_default();
                return Err(reason(&printed, settings.data, Some(port)));
            }
            if takes_connections(settings.data, process, port) {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        server.stop();
        Err(ClusterError::Failed(format!(
            "it took no connections within {} seconds; see {}",
            LONGEST_START.as_secs(),
            settings.log.display()
        )))
    }
}

fn server_settings(port: u16, durable: bool) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "max_connections=200".to_owned(),
        format!("port={port}"),
    ];
    if !durable {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off"].map(str::to_owned));
    }
    settings
}

/// The eighth line of `postmaster.pid` says `ready` only when it is; the first one, that the file is not an older server's.
fn takes_connections(data: &Path, process: u32, port: u16) -> bool {
    let Ok(written) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let lines: Vec<&str> = written.lines().map(str::trim).collect();
    lines.first().is_some_and(|line| *line == process.to_string())
        && lines.get(7) == Some(&"ready")
        && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free_port() -> Result<u16, ClusterError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| ClusterError::Failed(format!("no free port was found: {error}")))
}

/// Asks the kernel to stop the child when we are gone, however we went.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "only between fork and exec can a child ask for the signal of its parent's death")]
fn stop_with_us(command: &mut Command, signal: i32) {
    let parent = std::process::id();
    // SAFETY: the closure runs in the forked child before exec and calls only async-signal-safe functions (prctl, getppid,
    // _exit); it allocates nothing and takes no lock. It runs after the change of user, which would clear the request.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, signal) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            // We may have died between the fork and the request.
            if libc::getppid().cast_unsigned() != parent {
                libc::_exit(1);
            }
            Ok(())
        });
    }
}

/// Elsewhere no kernel does that: a killed program leaves its server, which the next start finds in use.
#[cfg(not(target_os = "linux"))]
fn stop_with_us(_: &mut Command, _: i32) {}

#[expect(unsafe_code, reason = "the standard library sends no signal but SIGKILL")]
fn send(process: u32, signal: i32) {
    // SAFETY: kill takes two numbers and touches no memory; the process is a child of ours that nobody has awaited yet, so
    // its number cannot have gone to another.
    unsafe { libc::kill(process.cast_signed(), signal) };
}

/// Whether there is a process of that number; nothing is sent to it.
#[expect(unsafe_code, reason = "the standard library cannot ask for a process that is not its child")]
pub(super) fn is_alive(process: u32) -> bool {
    // SAFETY: kill with signal 0 sends nothing and touches no memory.
    let sent = unsafe { libc::kill(process.cast_signed(), 0) };
    sent == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}
