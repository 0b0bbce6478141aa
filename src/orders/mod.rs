//! Buying, from the chosen licence to the file in the buyer's hands.
//!
//! ```text
//! open::open ─▶ (web asks Stripe for an intent) ─▶ intent::record_intent ─▶ the buyer pays
//!   ─▶ webhook or orders.reconcile_checkout ─▶ fulfil::settle  paid, booked, licensed: one transaction
//!   ─▶ orders.fulfil ─▶ fulfil::complete                       receipt, sale notice, counters: one transaction
//!   ─▶ download::take …                      ─▶ orders.release_hold ─▶ hold::release, seven days later
//! ```
//! Every act may run twice, and be killed between any two steps, with the same result (ORDER-07): a state is only moved
//! forward under the row's lock, and each effect has a unique key of its own.

pub mod activation;
pub mod checkout;
pub mod command;
pub mod commission;
pub mod download;
pub mod fulfil;
pub mod hold;
pub mod intent;
pub mod intervene;
pub mod jobs;
pub mod licence;
pub mod open;
pub mod order;
pub mod rotate_key;
pub mod timeline;

/// The days a buyer may ask for their money back, and the seller's share is held (spec 3, "Refunds").
pub const REFUND_WINDOW_DAYS: i64 = 7;
