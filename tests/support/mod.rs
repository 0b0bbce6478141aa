//! The stage on which stories are told.

pub mod database;
pub mod person;
pub mod stage;
