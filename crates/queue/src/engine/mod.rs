//! The engine of one worker process: a few loops around shared bookkeeping, each of which heals itself.
//!
//! [`claimer`] leases jobs, one loop per [`line`], as many as there are [`slots`] free and as the [`pace`] allows ahead of them, by
//! [`turns`] those under a limit and the others. They wait in the line's [`hold`] for apalis ([`source`]), which runs them through
//! [`dispatch`]; how a run ended is [`judge`]d and written down in batches ([`settler`]). [`heart`] keeps the process's lease and rescues
//! jobs of processes that died, [`pulse`] lets time act, [`listener`] hears that there is work.

pub(crate) mod claimer;
pub(crate) mod dispatch;
pub(crate) mod heart;
pub(crate) mod hold;
pub(crate) mod judge;
pub(crate) mod line;
pub(crate) mod listener;
pub(crate) mod logs;
pub(crate) mod pace;
pub(crate) mod pulse;
pub(crate) mod settler;
pub(crate) mod sight;
pub(crate) mod slots;
pub(crate) mod source;
pub(crate) mod tally;
pub(crate) mod ticket;
pub(crate) mod turns;
pub(crate) mod upkeep;

use crate::{
    backoff::Backoff,
    clock::Clock,
    groups::Group,
    handler::RunLog,
    limits::Limits,
    progress::LogSoFar,
    registry::{Kind, Registry},
    runtime::RuntimeOptions,
    store::{Database, Known, Registration, Settled},
};
use line::Line;
use slots::Slots;
use sqlx::PgPool;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::{Duration, Instant},
};
use tally::Tally;
use ticket::{Stop, Why};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the loops of a process share.
pub(crate) struct Engine {
    pub database: Database,
    pub clock: Arc<dyn Clock>,
    pub options: RuntimeOptions,
    pub registration: Registration,
    pub known: Known,
    kinds: Vec<Kind>,
    policies: RwLock<HashMap<String, Policy>>,
    limits: RwLock<Arc<Limits>>,
    pub lines: Vec<Arc<Line>>,
    /// One permit per job this process may hold at once.
    pub slots: Arc<Slots>,
    /// No new claims while anybody wants that.
    pub quiet: watch::Sender<Quiet>,
    /// No new claims from here on.
    pub stopping: CancellationToken,
    /// Asks for a pulse at once: jobs just finished may have enqueued others.
    pub nudge: Notify,
    /// Runs that have ended, for charts.
    pub tally: Tally,
    /// Somebody asked this process to take no new jobs.
    worker: RwLock<Uuid>,
    runs: Mutex<HashMap<i64, InHand>>,
    /// Runs that are over, and not yet written down.
    unwritten: Mutex<HashSet<(i64, i32)>>,
    /// When the answer to a claim was last lost.
    unheard: Mutex<Option<Instant>>,
    settled: mpsc::UnboundedSender<Settled>,
    settled_in_workflows: mpsc::UnboundedSender<Settled>,
}

/// How runs ended, yet to be written down. Jobs of workflows are kept apart: writing those may have to wait for somebody who
/// moves the same workflow, and all others shall not wait with them.
pub(crate) struct Inboxes {
    pub plain: mpsc::UnboundedReceiver<Settled>,
    pub in_workflows: mpsc::UnboundedReceiver<Settled>,
}

/// A job in hand.
struct InHand {
    lease: i32,
    stop: Arc<Stop>,
    log: RunLog,
    since: Instant,
}

/// A log with lines nobody has seen yet.
pub(crate) struct GrownLog {
    pub shown: LogSoFar,
    pub log: RunLog,
}

/// Who wants this process to take no new jobs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quiet {
    /// The program itself, by its [`Handle`](crate::Handle).
    pub by_handle: bool,
    /// An administrator, by the worker's row.
    pub by_admin: bool,
}

impl Quiet {
    pub(crate) fn any(self) -> bool {
        self.by_handle || self.by_admin
    }
}

/// What holds for jobs of a kind in this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// The kind's own limit, which jobs carry unless enqueued with another …
    pub code_attempts: i16,
    /// … and what the operator wants instead.
    pub max_attempts: i16,
    pub timeout: Duration,
    pub backoff: Backoff,
}

impl Policy {
    /// The limit of a job that carries `carried`.
    pub(crate) fn limit(self, carried: i16) -> i16 {
        if carried == self.code_attempts { self.max_attempts } else { carried }
    }
}

impl Engine {
    pub(crate) fn new<S: Send + Sync + 'static>(
        pool: &PgPool,
        registry: &Registry<S>,
        group: &Group,
        clock: Arc<dyn Clock>,
        options: RuntimeOptions,
    ) -> (Arc<Self>, Inboxes) {
        let kinds = registry.kinds();
        let known = Known {
            names: kinds.iter().map(|kind| kind.name.to_owned()).collect(),
            versions: kinds.iter().map(|kind| kind.version).collect(),
        };
        let (settled, plain) = mpsc::unbounded_channel();
        let (settled_in_workflows, in_workflows) = mpsc::unbounded_channel();
        let engine = Self {
            database: Database::beside(pool, options.listen_on.is_some()),
            clock,
            registration: Registration {
                name: options.name.clone(),
                group: group.name.clone(),
                release: options.release.clone(),
                queues: group.queues.clone(),
                kinds: known.names.clone(),
                capacity: i32::try_from(group.concurrency).unwrap_or(i32::MAX),
            },
            policies: RwLock::new(policies(&kinds, group)),
            limits: RwLock::new(Arc::clone(&group.limits)),
            kinds,
            lines: group.queues.iter().map(|queue| Arc::new(Line::new(queue))).collect(),
            slots: Slots::new(group.concurrency),
            quiet: watch::Sender::new(Quiet::default()),
            stopping: CancellationToken::new(),
            nudge: Notify::new(),
            tally: Tally::default(),
            worker: RwLock::new(Uuid::new_v4()),
            runs: Mutex::default(),
            unwritten: Mutex::default(),
            unheard: Mutex::default(),
            settled,
            settled_in_workflows,
            known,
            options,
        };
        (Arc::new(engine), Inboxes { plain, in_workflows })
    }

    /// Who we are, until others give us up.
    pub(crate) fn worker(&self) -> Uuid {
        *self.worker.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Others have given us up: our runs are no longer ours, and we go on under a new name.
    pub(crate) fn reborn(&self) {
        *self.worker.write().unwrap_or_else(PoisonError::into_inner) = Uuid::new_v4();
        self.stop_runs(&Why::Lost);
    }

    /// What the operator allows over all processes.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on the process goes by `group`, except for its queues.
    pub(crate) fn adopt(&self, group: &Group) {
        *self.policies.write().unwrap_or_else(PoisonError::into_inner) = policies(&self.kinds, group);
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&group.limits);
        self.slots.resize(group.concurrency);
    }

    pub(crate) fn policy(&self, kind: &str) -> Policy {
        let unknown = Policy { code_attempts: 0, max_attempts: 1, timeout: Duration::from_secs(600), backoff: Backoff::DEFAULT };
        self.policies.read().unwrap_or_else(PoisonError::into_inner).get(kind).copied().unwrap_or(unknown)
    }

    /// Jobs that run.
    pub(crate) fn busy(&self) -> usize {
        let held: usize = self.lines.iter().map(|line| line.hold.number()).sum();
        self.runs().len().saturating_sub(held)
    }

    /// A claim failed. It may have been committed all the same.
    pub(crate) fn is_unheard(&self) {
        *self.unheard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// When a claim last failed.
    pub(crate) fn unheard(&self) -> Option<Instant> {
        *self.unheard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An admin says whether this process takes new jobs.
    pub(crate) fn set_quiet(&self, quiet: bool) {
        if self.quiet.send_if_modified(|was| std::mem::replace(&mut was.by_admin, quiet) != quiet) {
            tracing::info!(quiet, "somebody asked this worker to {}", if quiet { "take no new jobs" } else { "take jobs again" });
        }
    }

    /// Whether an admin asked this process to take no new jobs.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet.borrow().by_admin
    }

    /// Logs of runs older than `moment` that have grown since they were last shown.
    pub(crate) fn grown_logs(&self, moment: Duration) -> Vec<GrownLog> {
        let runs = self.runs();
        let grown = runs.iter().filter(|(_, run)| run.since.elapsed() >= moment).filter_map(|(&job, run)| {
            let shown = LogSoFar { job, lease: run.lease, log: run.log.unshown()? };
            Some(GrownLog { shown, log: run.log.clone() })
        });
        grown.collect()
    }

    /// Tells one run to stop.
    pub(crate) fn stop_run(&self, job: i64, why: &Why) {
        if let Some(run) = self.runs().get(&job) {
            run.stop.now(why.clone());
        }
    }

    /// Tells all runs to stop.
    pub(crate) fn stop_runs(&self, why: &Why) {
        for run in self.runs().values() {
            run.stop.now(why.clone());
        }
    }

    /// The jobs of which this process still has something to say.
    pub(crate) fn held(&self) -> Vec<i64> {
        let runs = self.runs();
        runs.keys().copied().chain(self.unwritten().iter().map(|&(job, _)| job)).collect()
    }

    /// Everything has been said about these runs.
    pub(crate) fn written(&self, batch: &[Settled]) {
        let mut unwritten = self.unwritten();
        for settled in batch {
            unwritten.remove(&(settled.id, settled.lease));
        }
    }

    fn unwritten(&self) -> std::sync::MutexGuard<'_, HashSet<(i64, i32)>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> std::sync::MutexGuard<'_, HashMap<i64, InHand>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, job: i64, lease: i32, log: &RunLog) -> Arc<Stop> {
        let stop = Arc::new(Stop { token: CancellationToken::new(), why: OnceLock::new() });
        self.runs().insert(job, InHand { lease, stop: Arc::clone(&stop), log: log.clone(), since: Instant::now() });
        stop
    }

    /// A run is over. The settlers outlive every run, so the send can only fail when the process is being torn down.
    fn settle(&self, settled: Settled) {
        let mut runs = self.runs();
        self.unwritten().insert((settled.id, settled.lease));
        if runs.get(&settled.id).is_some_and(|run| run.lease == settled.lease) {
            runs.remove(&settled.id);
        }
        drop(runs);
        let inbox = if settled.place.is_some() { &self.settled_in_workflows } else { &self.settled };
        if let Err(mpsc::error::SendError(settled)) = inbox.send(settled) {
            tracing::warn!(job = settled.id, "a run ended too late to be written down; its job will be rescued");
        }
    }
}

fn policies(kinds: &[Kind], group: &Group) -> HashMap<String, Policy> {
    let policy = |kind: &Kind| {
        let wish = group.kinds.get(kind.name).cloned().unwrap_or_default();
        Policy {
            code_attempts: kind.max_attempts,
            max_attempts: wish.max_attempts.unwrap_or(kind.max_attempts),
            timeout: wish.timeout.unwrap_or(kind.timeout),
            backoff: wish.backoff.unwrap_or(kind.backoff),
        }
    };
    kinds.iter().map(|kind| (kind.name.to_owned(), policy(kind))).collect()
}

/// Waits longer after each failure in a row: 50 ms, 100 ms … at most two seconds, so that every loop is back within
/// seconds of the database.
pub(crate) struct Patience(Duration);

impl Patience {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(2);

    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    pub(crate) fn regained(&mut self) {
        self.0 = Self::FIRST;
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}
