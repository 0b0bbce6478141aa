//! Where our engine meets apalis: the backend its workers poll, and the outermost layer, which learns how each run ended.
//!
//! The backend never answers with an error, since apalis ends a worker on the first one; trouble with the database stays in
//! the engine's own loops. The layer sits outside every other, so a timeout or a panic caught further in is seen like any
//! other failure.

use crate::{
    engine::{
        Engine, judge,
        slots::SlotQueue,
        ticket::{Stop, Ticket},
    },
    handler::{Outcome, RunLog},
    store::Claimed,
};
use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    error::BoxDynError,
    task::{Task, builder::TaskBuilder, task_id::TaskId},
    worker::context::WorkerContext,
};
use futures::{FutureExt, future::BoxFuture};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::sync::OwnedSemaphorePermit;
use tower::{Layer, Service};

/// A claimed job on its way through apalis: what the handler needs, and the ticket, which the outermost layer takes off.
pub(crate) struct Work {
    pub job: Claimed,
    pub stop: Arc<Stop>,
    pub log: RunLog,
    leased: Instant,
    ticket: Option<Ticket>,
}

impl Work {
    pub(crate) fn new(job: Claimed, ticket: Ticket, leased: Instant) -> Self {
        Self { job, stop: Arc::clone(&ticket.stop), log: ticket.log.clone(), leased, ticket: Some(ticket) }
    }

    /// Whether it may begin at once.
    pub(crate) fn has_slot(&self) -> bool {
        self.ticket.as_ref().is_some_and(|ticket| ticket.slot.is_some())
    }

    /// A slot to run in.
    pub(crate) fn give(&mut self, slot: OwnedSemaphorePermit) {
        if let Some(ticket) = &mut self.ticket {
            ticket.slot = Some(slot);
        }
    }

    /// Whether it is told to stop before it has begun.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.token.is_cancelled()
    }

    /// For how long this process has had it.
    pub(crate) fn held_for(&self) -> Duration {
        self.leased.elapsed()
    }
}

/// One queue's claimed jobs. A worker that apalis starts anew goes on where the former stopped.
#[derive(Clone)]
pub(crate) struct Source {
    engine: Arc<Engine>,
    line: usize,
    slots: SlotQueue,
}

impl Source {
    pub(crate) fn new(engine: &Arc<Engine>, line: usize) -> Self {
        Self { engine: Arc::clone(engine), line, slots: engine.slots.queue() }
    }
}

impl Backend for Source {
    type Task = Task<Work>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Task<Work>, Infallible>>> {
        let Self { engine, line, slots } = self;
        engine.lines[*line].hold.poll(cx, slots).map(|work| {
            work.map(|work| {
                let id = TaskId::from_int(u64::try_from(work.job.id).unwrap_or_default());
                Ok(TaskBuilder::new(work).task_id(id).build())
            })
        })
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Source {
    type Args = Work;
    type Id = u64;
    type Kind = Ephemeral; // arguments are decoded by the registry, where a bad payload is that job's own trouble
    type Config = ();
    type Layer = Acknowledging;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Acknowledging {
        Acknowledging { engine: Arc::clone(&self.engine) }
    }
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Acknowledging {
    engine: Arc<Engine>,
}

impl<S> Layer<S> for Acknowledging {
    type Service = Acknowledge<S>;

    fn layer(&self, inner: S) -> Acknowledge<S> {
        Acknowledge { inner, engine: Arc::clone(&self.engine) }
    }
}

/// Settles each job's ticket by what its run answers.
#[derive(Clone)]
pub(crate) struct Acknowledge<S> {
    inner: S,
    engine: Arc<Engine>,
}

impl<S> Service<Task<Work>> for Acknowledge<S>
where
    S: Service<Task<Work>, Response = Outcome>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut task: Task<Work>) -> Self::Future {
        let Some(mut ticket) = task.args.ticket.take() else {
            return std::future::ready(Ok(())).boxed(); // a ticket is taken once; without it there is nothing to write
        };
        let (kind, attempt, limit) = (task.args.job.kind.clone(), task.args.job.attempt, task.args.job.max_attempts);
        let backoff = self.engine.policy(&kind).backoff;
        ticket.begin();
        let run = self.inner.call(task);
        async move {
            let answer = run.await.map_err(|error| judge::failure(error.into()));
            let verdict = judge::verdict(answer, &kind, attempt, limit, backoff, ticket.stop.why.get());
            ticket.settle(verdict);
            Ok(())
        }
        .boxed()
    }
}
