//! The books: double entry, append-only, every entry sums to zero (PAY-06).
//!
//! A positive posting is a debit, a negative one a credit; a seller's balance is therefore the negated sum of their
//! accounts. Entries are never changed: a mistake is corrected by another entry. The database holds the sum at zero by a
//! deferred trigger and refuses updates, whoever asks; [`entry::book`] repeats without effect.

pub mod account;
pub mod balance;
pub mod entry;
