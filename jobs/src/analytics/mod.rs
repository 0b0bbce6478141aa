//! Jobs that add up.

mod count_views;

use crate::Services;
use mywork_queue::Registry;

/// Names the handlers of this area.
pub fn register(registry: &mut Registry<Services>) {
    registry.add(count_views::run);
}
