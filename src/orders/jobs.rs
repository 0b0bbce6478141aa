//! Payloads of the jobs of this area; their handlers are the files of the same names in `jobs/src/orders/`.

use crate::ids::{CheckoutId, OrderId};
use mywork_queue::{Job, Options, Subject, Unique};
use serde::{Deserialize, Serialize};

/// Money moves through slots of its own: a thousand packages waiting to be scanned hold up no delivery.
pub const QUEUE: &str = "orders";

/// Delivers a paid order: receipt, sale notice, counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fulfil {
    pub order: OrderId,
}

impl Job for Fulfil {
    const KIND: &'static str = "orders.fulfil";
    const QUEUE: &'static str = QUEUE;

    fn options(&self) -> Options {
        // Asked for again by a seller while it waits: one is enough.
        Options::default().subject(Subject::new("order", self.order)).unique(Unique::unfinished(self.order))
    }
}

/// Asks Stripe how a payment stands, in case its webhook never comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconcileCheckout {
    pub checkout: CheckoutId,
    /// Which of the planned looks this is; see [`ReconcileCheckout::AFTER_MINUTES`].
    pub round: u8,
}

impl ReconcileCheckout {
    /// Minutes between one look and the next. After the last one `orders.expire_checkout` asks once more.
    pub const AFTER_MINUTES: [i64; 3] = [2, 10, 60];
}

impl Job for ReconcileCheckout {
    const KIND: &'static str = "orders.reconcile_checkout";
    const QUEUE: &'static str = QUEUE;
    const RATE: Option<&'static str> = Some("stripe");

    fn options(&self) -> Options {
        // A buyer who reloads the page that waits for the payment asks for a look each time; one is enough.
        let once = Unique::unfinished(format!("{}/{}", self.checkout, self.round));
        Options::default().subject(Subject::new("checkout", self.checkout)).unique(once)
    }
}

/// Closes a checkout that nobody paid, or that another price replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpireCheckout {
    pub checkout: CheckoutId,
}

impl Job for ExpireCheckout {
    const KIND: &'static str = "orders.expire_checkout";
    const QUEUE: &'static str = QUEUE;
    const RATE: Option<&'static str> = Some("stripe");

    fn options(&self) -> Options {
        Options::default().subject(Subject::new("checkout", self.checkout))
    }
}

/// Scheduled every ten minutes: moves the shares of orders whose hold is over from pending to available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseHold {}

impl Job for ReleaseHold {
    const KIND: &'static str = "orders.release_hold";
    const QUEUE: &'static str = QUEUE;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_payloads_are_still_read() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let fulfil: Fulfil = serde_json::from_str(&format!(r#"{{"order":"{id}"}}"#)).expect("orders.fulfil, version 1");
        assert_eq!(fulfil.order.to_string(), id);
        let look: ReconcileCheckout =
            serde_json::from_str(&format!(r#"{{"checkout":"{id}","round":1}}"#)).expect("orders.reconcile_checkout, version 1");
        assert_eq!(look.round, 1);
        let expire: ExpireCheckout =
            serde_json::from_str(&format!(r#"{{"checkout":"{id}"}}"#)).expect("orders.expire_checkout, version 1");
        assert_eq!(expire.checkout.to_string(), id);
        serde_json::from_str::<ReleaseHold>("{}").expect("orders.release_hold, version 1");
    }
}
