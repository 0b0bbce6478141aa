//! Looking at the queue and intervening: what the command line and the dashboard call.
//!
//! Every function takes the caller's connection, so that an act and its audit record commit together. Acts that concern a
//! running job only ask; its worker heeds within a second. Whatever shows a job shows it without what its kind hides
//! ([`redaction`]).

mod acts;
mod alerts;
pub mod bulk;
mod errors;
mod jobs;
mod limits;
pub mod live;
mod overview;
mod queues;
pub mod redaction;
mod relatives;
mod search;
pub mod stats;
mod workers;

pub use acts::{ActError, Cancelled, cancel, discard, edit_args, enqueue_raw, reschedule, retry};
pub use alerts::{Alert, AlertKind, alert_after, alerts};
pub use errors::{ErrorGroup, ErrorHour, error_hours, errors};
pub use jobs::{AttemptRow, JobDetail, JobRow, JobState, Progress, Serving, attempts, find, serving};
pub use limits::{ConcurrencyKeyRow, RateKeyRow, RateRow, concurrency_keys, rate_keys, rates};
pub use overview::{KindCount, Overview, QueueRow, StateCount, overview};
pub use queues::{
    BucketRow, Draining, PausedKind, buckets, drain, drain_kind, draining, draining_kind, open_bucket, pause, pause_kind,
    paused_kinds, resume, resume_kind,
};
pub use relatives::{Relation, Relative, Relatives, relatives};
pub use search::{ArgIs, Found, JobFilter, list, search};
pub use workers::{WorkerRow, quiet, workers};
