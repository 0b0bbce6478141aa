//! Durable jobs on one Postgres. **At-least-once execution; once-only effect by idempotency keys.**
//!
//! A job is enqueued on the caller's transaction ([`enqueue`]), claimed in batches by worker processes ([`Runtime`]) that run
//! the handlers of a [`Registry`], fenced by a lease number on every write, and kept with every attempt in its history. The
//! worker runtime is apalis; storage, scheduler and administration are ours. It knows nothing of the product that uses it.

pub mod admin;
mod backoff;
mod by_name;
pub mod clock;
mod engine;
mod enqueue;
pub mod groups;
mod handle;
mod handler;
mod job;
mod limits;
pub mod measures;
mod migrate;
mod notify;
mod options;
mod progress;
mod registry;
mod runtime;
pub mod schedule;
mod store;
pub mod testing;
pub mod trace;
pub mod workflow;

pub use backoff::Backoff;
pub use by_name::ByNameError;
pub use enqueue::{EnqueueError, Enqueued, enqueue, enqueue_many, enqueue_with};
pub use handle::Handle;
pub use handler::{Context, Failure, Outcome, Result};
pub use job::{Job, JobId, Subject};
pub use migrate::{migrate, migrator};
pub use notify::Notifier;
pub use options::{Concurrency, Conflict, Options, Unique, While};
pub use registry::{Kind, Registry};
pub use runtime::{Runtime, RuntimeOptions};
pub use workflow::{Produces, Workflow, WorkflowId};
