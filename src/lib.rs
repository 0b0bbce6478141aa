//! What is true: the marketplace's rules and records. SQL lives here and nowhere above.
//!
//! An area is a folder: things are nouns (`product.rs`), acts are verbs (`publish.rs`), the payloads of its jobs are in
//! `jobs.rs`. Nothing here calls a vendor, renders a page or reads the environment; time, ids and the database are given.

pub mod audit;
pub mod config;
pub mod db;
pub mod health;
pub mod idempotency;
pub mod ids;
pub mod limits;
pub mod money;

pub mod analytics;
pub mod catalog;
pub mod identity;
pub mod ledger;
pub mod notifications;
pub mod orders;
pub mod retention;
pub mod search;
pub mod seed;
pub mod webhooks;

pub use mywork_queue::clock;
