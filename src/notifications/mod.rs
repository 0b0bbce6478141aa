//! What people are told. An e-mail is a row, written in the transaction of the fact it tells of; a job renders and sends
//! it later, under the row's id as the key that makes a second sending harmless.

pub mod email;
pub mod jobs;
