//! What time it is, as a value that can be given.
//!
//! Workers, schedulers and request handlers ask a [`Clock`]; everything below them takes the time as a parameter. Tests give
//! a [`FakeClock`] and let days pass. Leases and heartbeats are the exception: they always use the database's time, because
//! they compare machines.

use chrono::{DateTime, Duration, Utc};
use std::{
    fmt::Debug,
    sync::{Arc, PoisonError, RwLock},
};

/// Tells the time.
pub trait Clock: Send + Sync + Debug {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;

    /// Whether this is the machine's own clock; then SQL uses the database's `now()`, which all processes share.
    fn is_system(&self) -> bool {
        false
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn is_system(&self) -> bool {
        true
    }
}

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone, Debug)]
pub struct FakeClock(Arc<RwLock<DateTime<Utc>>>);

impl FakeClock {
    /// A clock standing at `time`.
    pub fn at(time: DateTime<Utc>) -> Self {
        Self(Arc::new(RwLock::new(time)))
    }

    /// Lets `by` pass.
    pub fn advance(&self, by: Duration) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// Moves the hands to `time`.
    pub fn set(&self, time: DateTime<Utc>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = time;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> DateTime<Utc> {
        (**self).now()
    }

    fn is_system(&self) -> bool {
        (**self).is_system()
    }
}

/// What SQL binds as "now": nothing when the database shall use its own.
pub(crate) fn given(clock: &dyn Clock) -> Option<DateTime<Utc>> {
    (!clock.is_system()).then(|| clock.now())
}
