//! Worker processes as the bench runs them, whatever they are written in.
//!
//! A process says `ready`, begins on a line from us, reports `n COUNT` of handled jobs and `p NUMBER NANOSECONDS` of probes
//! picked up, and ends when its input does.

use anyhow::{Context, bail};
use std::{
    collections::HashMap,
    process::Stdio,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Notify,
    time::timeout,
};

const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);

/// Nanoseconds of the system's clock, which all processes of the machine share.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A running worker.
pub struct Worker {
    child: Child,
    input: ChildStdin,
    pub seen: Arc<Seen>,
}

/// What a worker has reported.
#[derive(Default)]
pub struct Seen {
    handled: AtomicU64,
    first: OnceLock<Instant>,
    probes: Mutex<HashMap<u64, i64>>,
    news: Notify,
}

impl Seen {
    pub fn handled(&self) -> u64 {
        self.handled.load(Relaxed)
    }

    /// When its first job was handled.
    pub fn first(&self) -> Option<Instant> {
        self.first.get().copied()
    }

    /// When the probe was picked up, if it is within `patience`.
    pub async fn probe(&self, number: u64, patience: Duration) -> Option<i64> {
        let deadline = Instant::now() + patience;
        loop {
            let news = self.news.notified();
            if let Some(at) = self.probes.lock().unwrap_or_else(PoisonError::into_inner).remove(&number) {
                return Some(at);
            }
            timeout(deadline.saturating_duration_since(Instant::now()), news).await.ok()?;
        }
    }

    fn hear(&self, line: &str) {
        let mut words = line.split(' ');
        match (words.next(), words.next().and_then(|n| n.parse().ok()), words.next().and_then(|at| at.parse().ok())) {
            (Some("n"), Some(count), _) => {
                let _ = self.first.set(Instant::now()); // only the first counts
                self.handled.store(count, Relaxed);
            }
            (Some("p"), Some(number), Some(at)) => {
                self.probes.lock().unwrap_or_else(PoisonError::into_inner).insert(number, at);
            }
            _ => eprintln!("a worker says: {line}"),
        }
        self.news.notify_waiters();
    }
}

impl Worker {
    /// Starts the process; it is loaded and connected when this returns.
    pub async fn start(command: Command) -> anyhow::Result<Self> {
        let (child, input, mut lines) = spawn(command).await?;
        let seen = Arc::new(Seen::default());
        let hearing = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                hearing.hear(&line);
            }
        });
        Ok(Self { child, input, seen })
    }

    /// Lets it begin.
    pub async fn go(&mut self) -> anyhow::Result<()> {
        Ok(self.input.write_all(b"go\n").await?)
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        end(self.child, self.input).await
    }
}

/// A process that enqueues by its own library, one order at a time.
pub struct Enqueuer {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Enqueuer {
    pub async fn start(command: Command) -> anyhow::Result<Self> {
        let (child, input, lines) = spawn(command).await?;
        Ok(Self { child, input, lines })
    }

    /// Gives an order, `one NUMBER` or `many COUNT`, and answers when it began and when it had committed.
    pub async fn order(&mut self, order: &str) -> anyhow::Result<(i64, i64)> {
        self.input.write_all(format!("{order}\n").as_bytes()).await?;
        let line = self.lines.next_line().await?.context("an enqueueing process ended")?;
        let times: Vec<i64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        match times[..] {
            [before, after] => Ok((before, after)),
            _ => bail!("an enqueueing process says: {line}"),
        }
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        end(self.child, self.input).await
    }
}

/// Ends a process, gently at first.
async fn end(mut child: Child, input: ChildStdin) -> anyhow::Result<()> {
    drop(input);
    if timeout(STOP, child.wait()).await.is_err() {
        child.kill().await?;
    }
    Ok(())
}

async fn spawn(mut command: Command) -> anyhow::Result<(Child, ChildStdin, Lines<BufReader<ChildStdout>>)> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let input = child.stdin.take().context("no input")?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let first = timeout(START, lines.next_line()).await.context("a process did not start in time")??;
    match first.as_deref() {
        Some("ready") => Ok((child, input, lines)),
        other => bail!("a process should say that it is ready, and says {other:?}"),
    }
}
