//! Enqueuing a job whose kind is known by name only: from a shell, from an administrator's form. The arguments are decoded first,
//! so what nobody could run is refused here instead of dying later, and the job is as its kind asks: unique, about its subject,
//! with its tags, its rate and what is hidden of it.

use crate::{
    enqueue::{EnqueueError, Enqueued, NewJob},
    job::Job,
    options::Options,
    registry::Registry,
};
use serde_json::Value;
use sqlx::PgConnection;

/// Why a job was not enqueued by name.
#[derive(Debug, thiserror::Error)]
pub enum ByNameError {
    /// Nobody here runs such jobs.
    #[error("there is no kind of job {kind:?}; there are {known}")]
    UnknownKind {
        /// What was asked for.
        kind: String,
        /// What there is.
        known: String,
    },
    /// The arguments are not those of the kind.
    #[error("these are no arguments of {kind}: {why}")]
    Undecodable {
        /// The kind.
        kind: String,
        /// What is wrong with them.
        why: String,
    },
    /// It could not be enqueued.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
}

/// Turns arguments into a job about to be enqueued.
pub(crate) type Make = fn(Value, Options) -> Result<NewJob, ByNameError>;

pub(crate) fn make<J: Job>(args: Value, options: Options) -> Result<NewJob, ByNameError> {
    let job: J = serde_json::from_value(args)
        .map_err(|error| ByNameError::Undecodable { kind: J::KIND.to_owned(), why: error.to_string() })?;
    Ok(NewJob::of(&job, options)?)
}

impl<S: Send + Sync + 'static> Registry<S> {
    /// Enqueues a job of the kind of this name, with arguments of its newest version, exactly as
    /// [`enqueue_with`](crate::enqueue_with) would.
    ///
    /// # Errors
    /// When no handler here runs such jobs, the arguments cannot be decoded, or the database refuses.
    pub async fn enqueue(
        &self,
        c: &mut PgConnection,
        kind: &str,
        args: Value,
        options: Options,
    ) -> Result<Enqueued, ByNameError> {
        let make = self.maker(kind).ok_or_else(|| {
            let known: Vec<_> = self.kinds().into_iter().map(|kind| kind.name).collect();
            ByNameError::UnknownKind { kind: kind.to_owned(), known: known.join(", ") }
        })?;
        Ok(make(args, options)?.insert(c).await?)
    }
}
