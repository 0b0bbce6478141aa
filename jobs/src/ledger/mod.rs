//! Jobs of the books. None yet: entries are booked in the transactions of the acts they belong to; the nightly
//! `ledger.reconcile` will stand here.

use crate::Services;
use mywork_queue::Registry;

/// Names the handlers of this area.
pub fn register(_registry: &mut Registry<Services>) {}
