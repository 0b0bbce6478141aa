//! Workflows, from the first step to the last, and everything that comes between.
//! Proves: JOB-11.

mod cancelling;
mod events;
mod failing;
mod fan_out;
mod floor;
mod model;
mod racing;
mod steps;
mod undoing;
mod within;
