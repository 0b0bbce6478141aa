//! Workflows, from the first step to the last, and everything that comes between.
//! Proves: JOB-11.

mod floor;
mod steps;
