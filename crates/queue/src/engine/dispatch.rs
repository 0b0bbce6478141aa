//! One run of one job: the handler in a task of its own, so that jobs run in parallel and a panic stays within its job; with
//! a time limit, and an ear for being told to stop.

use crate::{
    clock::Clock,
    handler::{Context, Failure, Outcome, RunLog, Then},
    job::JobId,
    registry::Registry,
    store::Claimed,
    trace::Origin,
};
use sqlx::PgPool;
use std::{any::Any, sync::Arc, time::Duration};
use tokio::{
    task::{JoinError, JoinHandle},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// What every run in a process has at hand.
pub(crate) struct Bench<S> {
    pub registry: Arc<Registry<S>>,
    pub state: Arc<S>,
    pub clock: Arc<dyn Clock>,
    pub pool: PgPool,
    /// How long a handler that was told to stop may take to do so before it is dropped.
    pub grace: Duration,
}

impl<S: Send + Sync + 'static> Bench<S> {
    /// Runs `job` and answers as its handler does.
    pub(crate) async fn run(&self, job: Claimed, limit: Duration, cancelled: CancellationToken, log: RunLog) -> crate::Result {
        let redactor = log.redactor().clone();
        let cx = Context {
            state: Arc::clone(&self.state),
            job: JobId(job.id),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            cancelled: cancelled.clone(),
            clock: Arc::clone(&self.clock),
            log,
            pool: Some(self.pool.clone()),
            place: job.place(),
        };
        let span = tracing::info_span!(
            "job",
            id = job.id,
            kind = job.kind,
            queue = job.queue,
            attempt = job.attempt,
            trace = job.trace.as_deref().unwrap_or_default(),
        );
        let origin = Origin { trace: job.trace, parent: Some(JobId(job.id)), actor: job.actor.into() };
        let Some(run) = self.registry.run(&job.kind, job.version, job.args, cx) else {
            return Err(Failure::of_class("unknown kind", Then::Backoff, format!("nobody here runs {}", job.kind)));
        };
        let answer = self.supervise(tokio::spawn(origin.scope(run).instrument(span)), limit, &cancelled).await;
        match answer {
            Ok(Outcome::Cancel(reason)) => Ok(Outcome::Cancel(redactor.text(reason).into_owned())),
            Ok(outcome) => Ok(outcome),
            Err(failure) => Err(failure.redacted(&redactor)),
        }
    }

    async fn supervise(&self, run: JoinHandle<crate::Result>, limit: Duration, cancelled: &CancellationToken) -> crate::Result {
        let mut run = DroppedWithUs(run);
        let (class, message) = tokio::select! {
            biased;
            answer = &mut run.0 => return answer.unwrap_or_else(|error| Err(panicked(error))),
            () = cancelled.cancelled() => ("stopped", "the run was told to stop and did not in time".to_owned()),
            () = sleep(limit) => ("timeout", format!("the run took longer than {limit:?}")),
        };
        cancelled.cancel();
        match timeout(self.grace, &mut run.0).await {
            // It may yet have finished, or fail in its own words.
            Ok(Ok(Ok(outcome))) => Ok(outcome),
            Ok(Ok(Err(failure))) if class == "stopped" => Err(failure),
            Ok(Ok(Err(failure))) => Err(Failure { then: Then::Backoff, class, error: failure.error.context(message) }),
            Ok(Err(error)) => Err(panicked(error)),
            Err(_) => Err(Failure::of_class(class, Then::Backoff, message)),
        }
    }
}

/// A handler does not outlive whoever waits for it.
struct DroppedWithUs(JoinHandle<crate::Result>);

impl Drop for DroppedWithUs {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn panicked(error: JoinError) -> Failure {
    let message = match error.try_into_panic() {
        Ok(payload) => panic_message(&*payload),
        Err(error) => error.to_string(),
    };
    Failure::of_class("panic", Then::Backoff, format!("the handler panicked: {message}"))
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string).or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}
