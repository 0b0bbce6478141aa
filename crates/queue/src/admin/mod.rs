//! Looking at the queue and intervening: what the command line and the dashboard call.
//!
//! Every function takes the caller's connection, so that an act and its audit record commit together. Acts that concern a
//! running job only ask; its worker heeds within a second.

mod acts;
mod jobs;
mod overview;
mod queues;

pub use acts::{ActError, Cancelled, cancel, discard, edit_args, enqueue_raw, reschedule, retry};
pub use jobs::{AttemptRow, JobDetail, JobFilter, JobRow, JobState, Progress, Serving, attempts, find, list, serving};
pub use overview::{ErrorGroup, KindCount, Overview, QueueRow, StateCount, WorkerRow, errors, overview, workers};
pub use queues::{pause, resume};
