//! Signatures of webhooks that Svix delivers, which are those of Resend and of Clerk (and the Standard Webhooks scheme).
//!
//! The headers `svix-id`, `svix-timestamp` and `svix-signature` sign `id.timestamp.body`; a secret reads `whsec_` and
//! base64; the signature header holds one or more `v1,<base64>` divided by spaces.
//! Source: <https://docs.svix.com/receiving/verifying-payloads/how-manual>.

use crate::signature::{self, SignatureError};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Checks that `payload` was signed for this endpoint with one of `secrets`, no longer than the tolerance ago.
///
/// `now` is in seconds since the epoch. A secret that is not valid base64 matches nothing.
pub fn verify(
    id: &str,
    timestamp: &str,
    payload: &[u8],
    signature_header: &str,
    secrets: &[&str],
    now: i64,
) -> Result<(), SignatureError> {
    let sent_at: i64 = timestamp.trim().parse().map_err(|_| SignatureError::Malformed)?;
    let candidates: Vec<Vec<u8>> = signature_header
        .split_ascii_whitespace()
        .filter_map(|one| one.strip_prefix("v1,"))
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
        .collect();
    if id.is_empty() || candidates.is_empty() {
        return Err(SignatureError::Malformed);
    }
    signature::check_age(sent_at, now)?;
    let keys: Vec<Vec<u8>> = secrets.iter().filter_map(|secret| key_of(secret)).collect();
    signature::check_any(&keys, &[id.as_bytes(), b".", timestamp.trim().as_bytes(), b".", payload], &candidates)
}

/// The signature header Svix would send, for tests.
///
/// Empty for a secret that is not valid base64.
pub fn sign(id: &str, timestamp: i64, payload: &[u8], secret: &str) -> String {
    use hmac::Mac;
    let Some(key) = key_of(secret) else { return String::new() };
    let timestamp = timestamp.to_string();
    let mac = signature::hmac(&key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", payload]);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn key_of(secret: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The worked example of the Svix documentation.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: &str = "1614265330";
    const PAYLOAD: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const NOW: i64 = 1614265330;

    #[test]
    fn accepts_the_published_example() {
        assert_eq!(verify(ID, TIMESTAMP, PAYLOAD, SIGNATURE, &[SECRET], NOW), Ok(()));
        assert_eq!(sign(ID, NOW, PAYLOAD, SECRET), SIGNATURE);
    }

    #[test]
    fn accepts_any_secret_and_any_signature() {
        let header = format!("v1,AAAA v2,abc {SIGNATURE}");
        assert_eq!(verify(ID, TIMESTAMP, PAYLOAD, &header, &["whsec_AAAA", SECRET], NOW + 299), Ok(()));
    }

    #[test]
    fn refuses_what_was_changed_or_is_old() {
        let verdict = |id, timestamp, payload, header, now| verify(id, timestamp, payload, header, &[SECRET], now);
        assert_eq!(verdict("msg_other", TIMESTAMP, PAYLOAD, SIGNATURE, NOW), Err(SignatureError::Mismatch));
        assert_eq!(verdict(ID, TIMESTAMP, b"{}", SIGNATURE, NOW), Err(SignatureError::Mismatch));
        assert_eq!(verdict(ID, "1614265331", PAYLOAD, SIGNATURE, NOW), Err(SignatureError::Mismatch));
        assert_eq!(verdict(ID, TIMESTAMP, PAYLOAD, "v2,AAAA", NOW), Err(SignatureError::Malformed));
        assert_eq!(verdict(ID, "yesterday", PAYLOAD, SIGNATURE, NOW), Err(SignatureError::Malformed));
        let late = SignatureError::OutsideTolerance { age_seconds: 301 };
        assert_eq!(verdict(ID, TIMESTAMP, PAYLOAD, SIGNATURE, NOW + 301), Err(late));
        assert_eq!(verify(ID, TIMESTAMP, PAYLOAD, SIGNATURE, &["not base64!", ""], NOW), Err(SignatureError::Mismatch));
    }
}
