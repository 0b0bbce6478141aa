//! The outside: every vendor the marketplace talks to, one file each, behind its real client library.
//!
//! A client takes its base address from settings, so that production talks to the vendor and development talks to the
//! sandbox over the same wire. Errors say whether trying again can help ([`is_retryable`](stripe::StripeError::is_retryable)
//! and its siblings); a job turns that into retry or dead. Nothing here knows the marketplace or its database, and no call
//! belongs inside an open transaction.

pub mod jwks;
pub mod resend;
pub mod signature;
pub mod storage;
pub mod stripe;
pub mod svix;
