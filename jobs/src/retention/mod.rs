//! Jobs of forgetting.

pub mod prune;

use crate::Services;
use mywork_queue::Registry;

/// Names the handlers of this area.
pub fn register(registry: &mut Registry<Services>) {
    registry.add(prune::run);
}
