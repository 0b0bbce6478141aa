//! Jobs that work through the inbox of webhooks. Clerk's is with identity.

use crate::Services;
use mywork_queue::Registry;

mod resend;
mod stripe;

/// Names the handlers of this area.
pub fn register(registry: &mut Registry<Services>) {
    registry.add(stripe::run).add(resend::run);
}
