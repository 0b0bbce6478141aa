//! Jobs that recur (JOB-12). A schedule is a row, which people may edit, pause and run by hand; an occurrence is a row too,
//! inserted in the same transaction as its job and unique by (schedule, time). So any number of schedulers, or none for a
//! while, enqueue each occurrence exactly once.

mod acts;
#[cfg(test)]
mod daylight;
mod english;
mod expression;
mod plan;
mod scheduler;

pub use acts::{Occurrence, ScheduleError, ScheduleRow, edit, list, occurrences, pause, resume, run_now};
pub use english::describe;
pub use expression::{Expression, ExpressionError};
pub use plan::{CatchUp, Overlap, Plan, PlanError, install};
pub use scheduler::Scheduler;
