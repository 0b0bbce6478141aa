//! The inbox of webhooks: every event a vendor sends is stored as it came, once, and processed by a job (ORDER-07).
//!
//! The request that brings an event does nothing but verify its signature and call [`inbox::receive`]; the job reads the
//! stored text, acts, and [`inbox::mark`]s what became of it. Events may come twice, late and in any order.

pub mod inbox;
pub mod jobs;

/// The events that Stripe's webhook endpoint is to be subscribed to (spec 4). Any other is stored too, and ignored.
pub const STRIPE_EVENTS: &[&str] = &[
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "charge.refunded",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
];
