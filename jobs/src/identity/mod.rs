//! Jobs about people.

mod clerk_event;
mod process_avatar;
mod send_reset_link;

use crate::Services;
use mywork_queue::Registry;

/// Names the handlers of this area.
pub fn register(registry: &mut Registry<Services>) {
    registry.add(clerk_event::run);
    registry.add(process_avatar::run);
    registry.add(send_reset_link::run);
}
