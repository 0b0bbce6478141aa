//! People: who they are, how they prove it, what they may do.
//!
//! *Things*: [`account`] (private), [`profile`] (public), [`person`] (both, as a request needs them), [`password`],
//! [`session`], [`token`], [`seller`], [`signing_key`]. *Acts*: [`sign_up`], [`sign_in`], [`verify_email`],
//! [`reset_password`], [`change_password`], [`change_email`], [`avatar`], [`provision`] (accounts of an outside provider) and, for
//! admins, [`people`] and [`administer`].

pub mod account;
pub mod administer;
pub mod avatar;
pub mod change_email;
pub mod change_password;
pub mod jobs;
pub mod password;
pub mod people;
pub mod person;
pub mod profile;
pub mod provision;
pub mod reset_password;
pub mod seller;
pub mod session;
pub mod sign_in;
pub mod sign_up;
pub mod signing_key;
pub mod token;
pub mod username;
pub mod verify_email;

/// The terms a new account accepts; `/legal/terms` shows this version.
pub const TERMS_VERSION: &str = "2026-01";
