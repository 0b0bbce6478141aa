//! The stage on which stories are told.

pub mod browser;
pub mod database;
pub mod package;
pub mod people;
pub mod person;
pub mod process;
pub mod program;
pub mod stage;

use std::time::{Duration, Instant};

/// Waits for what another process or task is about to do; a story that waits for a minute has failed.
pub async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !happened().await {
        assert!(Instant::now() < deadline, "a minute passed and still not: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
