//! What is for sale: products in their states, the versions and pictures of each, what a buyer may choose, and how a package
//! gets from a seller's disk to the shelf.
//!
//! The story in order: [`wizard`] writes a draft, [`upload`] takes its files, [`version`] makes a package a version,
//! [`workflow`] leads it from step to step, [`check`] records what the jobs find in it, [`publish`] hands it in,
//! [`approve`] decides, [`release`] puts it on the shelf; [`sweep`] looks after checks whose job is gone. Whoever changes a product or one of its versions first locks the
//! product's row ([`product::lock`]): a seller, an admin and a job about the same product wait for each other.

pub mod approve;
pub mod arrange;
pub mod browse;
pub mod category;
pub mod check;
pub mod delete;
pub mod image;
pub mod jobs;
pub mod licence;
pub mod pause;
pub mod product;
pub mod publish;
pub mod release;
pub mod review;
pub mod slug;
pub mod sweep;
pub mod upload;
pub mod version;
pub mod withhold;
pub mod wizard;

mod error;
mod text;
mod workflow;

pub use error::{Error, Problems};
