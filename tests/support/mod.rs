//! The stage on which stories are told.

pub mod database;
