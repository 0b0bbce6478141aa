//! A queue as one process works on it: what its loops tell each other about it.

use crate::{
    engine::{hold::Hold, pace::Runs},
    store::{Asked, Mark},
};
use metrics::Histogram;
use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};
use tokio::sync::Notify;

/// See the module.
#[derive(Default)]
pub(crate) struct Line {
    pub queue: String,
    pub wake: Notify,
    /// What is leased and has not begun.
    pub hold: Hold,
    pub runs: Runs,
    /// Whether its last claim came back full: there is more than we could take.
    pub backlog: AtomicBool,
    /// Whether the pulse found jobs under a limit since the last claim.
    pub limited: AtomicBool,
    /// Whether jobs joined it, since the last claim, that may stand anywhere.
    pub grown: AtomicBool,
    /// Whether jobs had to be handed back, since the last claim, because none began for so long.
    pub stalled: AtomicBool,
    /// Whether the queue has a limit over all processes.
    pub capped: AtomicBool,
    mark: Mutex<Option<Mark>>,
    wait: OnceLock<Histogram>,
}

impl Line {
    pub(crate) fn new(queue: &str) -> Self {
        Self { queue: queue.to_owned(), ..Self::default() }
    }

    /// Up to this mark it is worked off, but for stragglers.
    pub(crate) fn is_worked_off_to(&self, mark: Option<Mark>) {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = mark;
    }

    /// What a pulse asks about it: the whole of it, or what comes after the mark.
    pub(crate) fn asked(&self, whole: bool) -> Asked {
        let mark = *self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        Asked { queue: self.queue.clone(), look: !self.backlog.load(Relaxed), mark: mark.filter(|_| !whole) }
    }

    /// A job stood in it for so many seconds.
    pub(crate) fn waited(&self, seconds: f64) {
        self.wait.get_or_init(|| metrics::histogram!("queue_job_wait_seconds", "queue" => self.queue.clone())).record(seconds);
    }
}
