//! One trace from a request through its jobs to their child jobs (JOB-20).
//!
//! Whoever serves a request wraps it in [`with`]; jobs enqueued inside carry the trace along, and a running job is wrapped by
//! the worker in the same way, so that what it enqueues names the same trace and its parent.

use crate::job::JobId;
use std::{cell::Cell, future::Future};
use uuid::Uuid;

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Where jobs enqueued on this task come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub trace: Option<String>,
    pub parent: Option<JobId>,
    /// Often known only in the middle of a request.
    pub actor: Cell<Option<Uuid>>,
}

impl Origin {
    pub(crate) fn current() -> Self {
        ORIGIN.try_with(Clone::clone).unwrap_or_default()
    }

    pub(crate) async fn scope<F: Future>(self, work: F) -> F::Output {
        ORIGIN.scope(self, work).await
    }
}

/// Does `work` as part of the trace `traceparent`, on behalf of `actor`: jobs enqueued inside carry both.
pub async fn with<F: Future>(traceparent: impl Into<String>, actor: Option<Uuid>, work: F) -> F::Output {
    Origin { trace: Some(traceparent.into()), parent: None, actor: Cell::new(actor) }.scope(work).await
}

/// From here on this task's work is done on behalf of `actor`: for a request that began before anybody knew who asks. Does
/// nothing outside of [`with`].
pub fn on_behalf_of(actor: Uuid) {
    let _ = ORIGIN.try_with(|origin| origin.actor.set(Some(actor)));
}

/// The trace of the work in progress, if it has one.
pub fn current() -> Option<String> {
    Origin::current().trace
}
