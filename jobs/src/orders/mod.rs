//! Jobs of buying: delivery, looks at payments, closing what nobody paid, the end of buyer protection.

use crate::Services;
use mywork_queue::Registry;

mod expire_checkout;
mod fulfil;
mod payment;
mod reconcile_checkout;
mod release_hold;

pub(crate) use payment::count_paid;

/// Names the handlers of this area.
pub fn register(registry: &mut Registry<Services>) {
    registry.add(fulfil::run).add(reconcile_checkout::run).add(expire_checkout::run).add(release_hold::run);
}
