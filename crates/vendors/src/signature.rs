//! What the webhook signatures of all vendors have in common: an HMAC-SHA256 over a timestamp and the raw body, several
//! signatures in one header, several secrets while one is rolled, and a clock tolerance against replay.
//!
//! Comparison takes the same time wherever two signatures differ, and every pair is compared before the verdict.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far the sender's clock may be from ours, in seconds, either way.
pub const TOLERANCE_SECONDS: i64 = 300;

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature header is missing a timestamp or a signature")]
    Malformed,
    #[error("the signature is {age_seconds} seconds away from our clock, more than {TOLERANCE_SECONDS} are not accepted")]
    OutsideTolerance { age_seconds: i64 },
    #[error("no signature in the header was made with a secret of this endpoint")]
    Mismatch,
}

/// Refuses a timestamp too far from `now`; both in seconds since the epoch.
pub(crate) fn check_age(timestamp: i64, now: i64) -> Result<(), SignatureError> {
    let age_seconds = now.saturating_sub(timestamp);
    if age_seconds.unsigned_abs() > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(SignatureError::OutsideTolerance { age_seconds });
    }
    Ok(())
}

/// Accepts when any of the `candidates` is the HMAC of `parts`, one after another, under any of the `keys`.
pub(crate) fn check_any<K: AsRef<[u8]>>(keys: &[K], parts: &[&[u8]], candidates: &[Vec<u8>]) -> Result<(), SignatureError> {
    let mut matched = false;
    for key in keys.iter().filter(|key| !key.as_ref().is_empty()) {
        let mac = hmac(key.as_ref(), parts);
        for candidate in candidates {
            matched |= mac.clone().verify_slice(candidate).is_ok();
        }
    }
    if matched { Ok(()) } else { Err(SignatureError::Mismatch) }
}

pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac
}
