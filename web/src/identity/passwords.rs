//! The slow hash, off the runtime's threads and a few at a time: each takes 19 MiB and some tens of milliseconds of a core, so
//! a burst of sign-ins waits here and does not starve the pages.

use crate::Error;
use mywork::identity::password;
use std::{sync::LazyLock, thread};
use tokio::sync::Semaphore;

static AT_ONCE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(thread::available_parallelism().map_or(2, usize::from)));

/// The hash to keep of a new password.
pub async fn hash(password: String) -> Result<String, Error> {
    slowly(move || password::hash(&password)).await
}

/// Whether `password` is the one behind `phc`; takes the same time for the decoy.
pub async fn verify(password: String, phc: String) -> Result<bool, Error> {
    slowly(move || {
        // Made by whoever signs in first, so that nobody's first unknown address takes twice as long.
        password::decoy();
        password.len() <= password::MAX_BYTES && password::verify(&password, &phc)
    })
    .await
}

async fn slowly<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let _permit = AT_ONCE.acquire().await.map_err(|error| Error::Internal(error.into()))?;
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.into()))
}
