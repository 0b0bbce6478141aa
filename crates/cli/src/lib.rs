//! The parts of the binary `mywork`, as a library so that stories start the product exactly as the binary does: reads the
//! configuration, builds the parts, starts them. Nothing is decided here.

pub mod check;
pub mod configuration;
pub mod dev;
pub mod jobs;
pub mod migrate;
pub mod monitor;
pub mod parts;
pub mod run;
pub mod seed;
pub mod shutdown;
pub mod steering;
