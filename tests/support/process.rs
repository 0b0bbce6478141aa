//! The product as it runs in production: processes of the real binary, configured by their environment alone. A story kills them
//! with SIGKILL, which leaves them no chance to do anything more, and starts others in their place. None outlives its story.

use super::{stage::Stage, until};
use mywork::config::{AuthMode, Config, Secret};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};
use tempfile::TempDir;

/// What an operator sets, by the names of the environment.
pub type Environment = BTreeMap<&'static str, String>;

/// One of the processes of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Web,
    Scheduler,
    /// Of this group of workers.toml.
    Worker(&'static str),
}

impl Part {
    fn arguments(self) -> Vec<&'static str> {
        match self {
            Part::Web => vec!["web"],
            Part::Scheduler => vec!["scheduler"],
            Part::Worker(group) => vec!["worker", "--group", group],
        }
    }
}

/// The processes at work over one stage.
pub struct Crew<'s> {
    stage: &'s Stage,
    environment: Environment,
    at_work: BTreeMap<Part, Process>,
    /// Where they work, and write what they have to say; it goes last.
    folder: TempDir,
}

impl<'s> Crew<'s> {
    /// Nobody is at work yet; the release step has been taken.
    pub async fn of(stage: &'s Stage) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let crew = Self { stage, environment: environment(&stage.config), at_work: BTreeMap::new(), folder };
        let migrated = crew.runs(&["migrate"], |_| ()).await;
        assert!(migrated.succeeded, "{migrated:?}");
        crew
    }

    /// Starts a process. The web is waited for; what other processes do can be waited for by what they do.
    pub async fn starts(&mut self, part: Part) {
        self.starts_with(part, |_| ()).await;
    }

    /// The same in an environment that the story changes.
    pub async fn starts_with(&mut self, part: Part, change: impl FnOnce(&mut Environment)) {
        let mut environment = self.environment.clone();
        change(&mut environment);
        let process = Process::start(self.folder.path(), &environment, &part.arguments());
        assert!(self.at_work.insert(part, process).is_none(), "{part:?} is at work already");
        if part == Part::Web {
            let ready = format!("{}ready", self.stage.config.base_url);
            until("the web is ready", async || reqwest::get(&ready).await.is_ok_and(|answer| answer.status().is_success())).await;
        }
    }

    /// Kills a process: it is gone, with all it had in memory, when this returns.
    pub fn kills(&mut self, part: Part) {
        drop(self.take(part));
    }

    /// Kills a process and starts another of its kind.
    pub async fn replaces(&mut self, part: Part) {
        self.kills(part);
        self.starts(part).await;
    }

    /// Asks a process to stop, as a deployment does, and waits until it has.
    pub async fn stops(&mut self, part: Part) -> ExitStatus {
        self.take(part).stops().await
    }

    /// Sizes of the files without a name that a process has open.
    pub fn scratch_files(&self, part: Part) -> Vec<u64> {
        let process = &self.at_work[&part];
        let open = std::fs::read_dir(format!("/proc/{}/fd", process.child.id())).expect("the process is there");
        let unnamed = |path: &PathBuf| std::fs::read_link(path).is_ok_and(|name| name.to_string_lossy().ends_with(" (deleted)"));
        let paths = open.filter_map(|entry| Some(entry.ok()?.path())).filter(unnamed);
        paths.filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).collect()
    }

    /// Runs a command of the binary to its end, in an environment that the story changes.
    pub async fn runs(&self, arguments: &[&str], change: impl FnOnce(&mut Environment)) -> Ran {
        let mut environment = self.environment.clone();
        change(&mut environment);
        let command = command(self.folder.path(), &environment, arguments);
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Ran { succeeded: output.status.success(), said: text(output.stdout), complained: text(output.stderr) }
    }

    /// What an operator types after `mywork jobs`.
    pub async fn jobs(&self, typed: &str) -> Ran {
        let words: Vec<&str> = std::iter::once("jobs").chain(typed.split(' ')).collect();
        self.runs(&words, |_| ()).await
    }

    /// A file beside the processes: `workers.toml`, which those that start from now on read.
    pub fn writes(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
    }

    /// What a process has logged so far.
    pub fn log(&self, part: Part) -> String {
        std::fs::read_to_string(&self.at_work[&part].log).expect("a log")
    }

    /// Sends a signal: `HUP`, `USR1`.
    pub fn signals(&self, part: Part, signal: &str) {
        send(signal, self.at_work[&part].child.id());
    }

    fn take(&mut self, part: Part) -> Process {
        self.at_work.remove(&part).unwrap_or_else(|| panic!("{part:?} is not at work"))
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub succeeded: bool,
    /// On standard output.
    pub said: String,
    /// On standard error.
    pub complained: String,
}

impl Ran {
    /// What it said, when it succeeded.
    #[track_caller]
    pub fn says(self) -> String {
        assert!(self.succeeded, "{self:?}");
        self.said
    }

    /// The same as JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        let said = self.says();
        serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"))
    }

    /// What it complained about, when it failed.
    #[track_caller]
    pub fn complains(self) -> String {
        assert!(!self.succeeded && !self.complained.is_empty(), "{self:?}");
        self.complained
    }
}

/// A running process, which dies with this value.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(folder: &Path, environment: &Environment, arguments: &[&str]) -> Self {
        let log = folder.join(format!("{}.log", arguments.join(" ")));
        let lines = File::options().create(true).append(true).open(&log).expect("a log");
        let again = lines.try_clone().expect("a second handle of it");
        let child = command(folder, environment, arguments).stdout(lines).stderr(again).spawn().expect("the binary starts");
        Self { child, log }
    }

    async fn stops(mut self) -> ExitStatus {
        send("TERM", self.child.id());
        let mut ended = None;
        until("the process ends", async || {
            ended = self.child.try_wait().expect("a child of ours");
            ended.is_some()
        })
        .await;
        ended.expect("it has ended")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, and need not be.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let from = log.lines().count().saturating_sub(30);
            let last = log.lines().skip(from).collect::<Vec<_>>().join("\n");
            eprintln!("--- {}\n{last}", self.log.display());
        }
    }
}

fn send(signal: &str, process: u32) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status().expect("there is `kill`");
    assert!(sent.success(), "the process was gone already");
}

fn command(folder: &Path, environment: &Environment, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mywork"));
    command.args(arguments).env_clear().env("NO_COLOR", "1").envs(environment).current_dir(folder).stdin(Stdio::null());
    command
}

/// What an operator would set to get this configuration.
pub fn environment(config: &Config) -> Environment {
    assert_eq!(config.auth.mode, AuthMode::Builtin, "stories with Clerk set its addresses themselves");
    let secrets = |secrets: &[Secret]| secrets.iter().map(Secret::reveal).collect::<Vec<_>>().join(",");
    BTreeMap::from([
        ("BASE_URL", config.base_url.to_string()),
        ("PORT", config.port.to_string()),
        ("DATABASE_URL", config.database.url.reveal().to_owned()),
        ("STRIPE_SECRET_KEY", config.stripe.secret_key.reveal().to_owned()),
        ("STRIPE_PUBLISHABLE_KEY", config.stripe.publishable_key.clone()),
        ("STRIPE_WEBHOOK_SECRETS", secrets(&config.stripe.webhook_secrets)),
        ("STRIPE_API_BASE", config.stripe.api_base.to_string()),
        ("STRIPE_JS_URL", config.stripe.js_url.to_string()),
        ("S3_ENDPOINT", config.storage.endpoint.to_string()),
        ("S3_REGION", config.storage.region.clone()),
        ("S3_BUCKET", config.storage.bucket.clone()),
        ("S3_ACCESS_KEY", config.storage.access_key.clone()),
        ("S3_SECRET_KEY", config.storage.secret_key.reveal().to_owned()),
        ("RESEND_API_KEY", config.email.api_key.reveal().to_owned()),
        ("RESEND_API_BASE", config.email.api_base.to_string()),
        ("EMAIL_FROM", config.email.from.clone()),
        ("RATE_PER_MINUTE", config.web.rate_per_minute.to_string()),
        ("LOG_JSON", "false".to_owned()),
    ])
}

/// A port on which a process can listen, again and again: below those that the system gives to connections.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let free = |port: &u16| std::net::TcpListener::bind(("0.0.0.0", *port)).is_ok();
    let start = 20_000 + u16::try_from(std::process::id() % 10_000).expect("less than 10,000");
    (0..1_000).map(|_| start + NEXT.fetch_add(1, Ordering::Relaxed)).find(free).expect("one port of a thousand is free")
}
