//! The job system against a real Postgres, as one binary: each story in a module, each test in a database of its own.
//! `TEST_DATABASE_URL` names a server on which tests may create databases.

mod support;

mod administration;
mod bulk;
mod cancelling;
mod claiming;
mod enqueueing;
mod fencing;
mod half_open;
mod helpers;
mod history;
mod limits;
mod liveness;
mod model;
mod occurrences;
mod outage;
mod pooler;
mod race;
mod redaction;
mod retries;
mod schedules;
mod statistics;
mod wake_up;
mod workflows;
