//! Payments through Stripe, by async-stripe.
//!
//! Every call that changes something carries *our* idempotency key, and repeats carry the same one: after a timeout the
//! payment may exist, and the key makes the repeat find it instead of making a second. The library retries only under
//! random keys, so the retry loop is here. Ten seconds bound a call with all its repeats, because a person may be waiting.
//!
//! Webhooks are verified here and kept as raw JSON: the library refuses events of another API version, we must store them.

use crate::signature;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, future::Future, time::Duration};
use stripe::{ApiErrorsType, Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeRequest};
use stripe_core::payment_intent::{
    CancelPaymentIntent, CreatePaymentIntent, CreatePaymentIntentAutomaticPaymentMethods, ListPaymentIntent,
    RetrievePaymentIntent,
};
use url::Url;

pub use crate::signature::SignatureError;

/// A call with all its repeats ends within this time.
const DEADLINE: Duration = Duration::from_secs(10);
/// Waits before the repeats of a call whose outcome is unknown.
const BACKOFF: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// How to reach Stripe.
#[derive(Clone)]
pub struct Settings {
    pub secret_key: String,
    /// `https://api.stripe.com/`, or the sandbox.
    pub api_base: Url,
}

/// Why a call did not do what was asked, or why we do not know.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    #[error("the Stripe settings are not usable: {0}")]
    Settings(String),
    #[error("the card was declined: {}", .0.message)]
    CardDeclined(Decline),
    #[error("Stripe refused the request ({status}, {code}): {message}")]
    Refused { status: u16, code: String, message: String },
    #[error("Stripe asks for fewer requests per second: {0}")]
    RateLimited(String),
    #[error("Stripe could not be reached or was busy: {0}")]
    Unavailable(String),
    #[error("Stripe's answer could not be read: {0}")]
    Unreadable(String),
}

impl StripeError {
    /// Whether the outcome is unknown, so that the same call under the same key should be repeated later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::RateLimited(_) | Self::Unavailable(_) | Self::Unreadable(_))
    }

    /// How long to leave Stripe alone, where it asked for that. It says no time itself; its buckets refill within a second:
    /// <https://docs.stripe.com/rate-limits>.
    pub fn slow_down(&self) -> Option<Duration> {
        matches!(self, Self::RateLimited(_)).then_some(Duration::from_secs(2))
    }

    /// Whether what was asked for does not exist at Stripe.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// A card's refusal; `message` may be shown to the buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    /// `card_declined`, `expired_card`, `incorrect_cvc`, …
    pub code: String,
    /// The issuer's reason, such as `insufficient_funds`.
    pub decline_code: Option<String>,
    pub message: String,
}

/// A payment to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPaymentIntent {
    /// In cents.
    pub amount: i64,
    /// ISO 4217 in lower case.
    pub currency: String,
    /// Up to 50 pairs; they come back in every event of the payment.
    pub metadata: Vec<(String, String)>,
    /// Ties the charge to the transfers made of it.
    pub transfer_group: Option<String>,
    pub receipt_email: Option<String>,
    pub description: Option<String>,
}

/// Where a payment stands: <https://docs.stripe.com/payments/paymentintents/lifecycle>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Canceled,
    Succeeded,
    /// One that Stripe added after this was written.
    Other(String),
}

impl PaymentStatus {
    pub fn as_str(&self) -> &str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Canceled => "canceled",
            Self::Succeeded => "succeeded",
            Self::Other(name) => name,
        }
    }
}

/// A payment as Stripe knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentIntent {
    pub id: String,
    /// For the buyer's browser only; never logged, never stored with the order.
    pub client_secret: String,
    pub status: PaymentStatus,
    /// In cents.
    pub amount: i64,
    pub currency: String,
    pub latest_charge: Option<String>,
    /// What Stripe kept of the latest charge, in cents; known from [`Stripe::get_payment_intent`] once the charge settled.
    pub fee: Option<i64>,
    pub metadata: BTreeMap<String, String>,
    pub last_error: Option<Decline>,
}

/// Stripe, with the platform's secret key.
#[derive(Clone)]
pub struct Stripe {
    client: Client,
}

impl Stripe {
    pub fn new(settings: &Settings) -> Result<Self, StripeError> {
        // The library appends `v1/…` to the base as it stands.
        let base = format!("{}/", settings.api_base.as_str().trim_end_matches('/'));
        let client = ClientBuilder::new(&settings.secret_key)
            .url(base)
            .app_info("MyWork Marketplace", Some(env!("CARGO_PKG_VERSION").into()), None)
            .timeout(DEADLINE)
            .build()
            .map_err(|error| StripeError::Settings(error.to_string()))?;
        Ok(Self { client })
    }

    /// Asks for a payment. The same key with the same request returns the same payment, for 24 hours.
    pub async fn create_payment_intent(
        &self,
        new: &NewPaymentIntent,
        idempotency_key: &str,
    ) -> Result<PaymentIntent, StripeError> {
        let currency: stripe_types::Currency =
            new.currency.parse().map_err(|_| StripeError::Settings(format!("{} is no currency of Stripe's", new.currency)))?;
        let mut request = CreatePaymentIntent::new(new.amount, currency)
            .automatic_payment_methods(CreatePaymentIntentAutomaticPaymentMethods::new(true))
            .metadata(new.metadata.iter().cloned().collect::<std::collections::HashMap<_, _>>());
        if let Some(group) = &new.transfer_group {
            request = request.transfer_group(group);
        }
        if let Some(email) = &new.receipt_email {
            request = request.receipt_email(email);
        }
        if let Some(description) = &new.description {
            request = request.description(description);
        }
        let strategy = keyed(idempotency_key)?;
        let intent = repeat(|| {
            let call = request.customize().request_strategy(strategy.clone());
            async move { call.send(&self.client).await }
        })
        .await?;
        Ok(intent.into())
    }

    /// The payment now, with the fee of its charge.
    pub async fn get_payment_intent(&self, id: &str) -> Result<PaymentIntent, StripeError> {
        let request = RetrievePaymentIntent::new(id).expand(vec!["latest_charge.balance_transaction".to_owned()]);
        let intent = repeat(|| request.send(&self.client)).await?;
        Ok(intent.into())
    }

    /// Takes the request for payment back; refused once it was paid.
    pub async fn cancel_payment_intent(&self, id: &str, idempotency_key: &str) -> Result<PaymentIntent, StripeError> {
        let request = CancelPaymentIntent::new(id);
        let strategy = keyed(idempotency_key)?;
        let intent = repeat(|| {
            let call = request.customize().request_strategy(strategy.clone());
            async move { call.send(&self.client).await }
        })
        .await?;
        Ok(intent.into())
    }

    /// Whether Stripe answers and takes our key.
    pub async fn ping(&self) -> Result<(), StripeError> {
        let request = ListPaymentIntent::new().limit(1_i64);
        repeat(|| request.send(&self.client)).await.map(|_| ())
    }
}

fn keyed(idempotency_key: &str) -> Result<RequestStrategy, StripeError> {
    let key = IdempotencyKey::new(idempotency_key).map_err(|error| StripeError::Settings(error.to_string()))?;
    Ok(RequestStrategy::Idempotent(key))
}

/// Makes the call, and makes it again while its outcome is unknown, within the deadline.
async fn repeat<T, F, Call>(mut call: F) -> Result<T, StripeError>
where
    F: FnMut() -> Call,
    Call: Future<Output = Result<T, stripe::StripeError>>,
{
    let mut latest: Option<StripeError> = None;
    let attempts = async {
        for wait in BACKOFF.into_iter().map(Some).chain([None]) {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => StripeError::from(error),
            };
            let Some(wait) = wait.filter(|_| error.is_retryable()) else { return Err(error) };
            tracing::debug!(%error, "repeating a call to Stripe");
            latest = Some(error);
            tokio::time::sleep(wait).await;
        }
        Err(StripeError::Unavailable("no attempt was made".into()))
    };
    match tokio::time::timeout(DEADLINE, attempts).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let reason = latest.map(|error| format!("; before that: {error}")).unwrap_or_default();
            Err(StripeError::Unavailable(format!("no answer within {} seconds{reason}", DEADLINE.as_secs())))
        }
    }
}

impl From<stripe::StripeError> for StripeError {
    fn from(error: stripe::StripeError) -> Self {
        match error {
            stripe::StripeError::Stripe(answer, status) => classify(*answer, status),
            stripe::StripeError::JSONDeserialize(reason) => Self::Unreadable(reason),
            stripe::StripeError::ClientError(reason) => Self::Unavailable(reason),
            stripe::StripeError::Timeout => Self::Unavailable("the call timed out".into()),
            stripe::StripeError::ConfigError(reason) => Self::Settings(reason),
        }
    }
}

/// By Stripe's rules, <https://docs.stripe.com/error-low-level>: 409 is a concurrent use of the key or a lock, 429 and 5xx
/// are theirs; everything else will be answered the same way for ever.
fn classify(answer: stripe_shared::ApiErrors, status: u16) -> StripeError {
    if matches!(answer.type_, ApiErrorsType::CardError) {
        return StripeError::CardDeclined(decline(answer));
    }
    let message = answer.message.unwrap_or_else(|| "no reason was given".into());
    if status == 429 {
        return StripeError::RateLimited(message);
    }
    if matches!(status, 409 | 424 | 500..=599) {
        return StripeError::Unavailable(format!("status {status}: {message}"));
    }
    let code = answer.code.map(|code| code.as_str().to_owned()).unwrap_or_else(|| answer.type_.as_str().to_owned());
    StripeError::Refused { status, code, message }
}

fn decline(answer: stripe_shared::ApiErrors) -> Decline {
    Decline {
        code: answer.code.map(|code| code.as_str().to_owned()).unwrap_or_else(|| "card_declined".into()),
        decline_code: answer.decline_code,
        message: answer.message.unwrap_or_else(|| "Your card was declined.".into()),
    }
}

impl From<stripe_shared::PaymentIntent> for PaymentIntent {
    fn from(intent: stripe_shared::PaymentIntent) -> Self {
        use stripe_shared::PaymentIntentStatus as Theirs;
        let status = match intent.status {
            Theirs::RequiresPaymentMethod => PaymentStatus::RequiresPaymentMethod,
            Theirs::RequiresConfirmation => PaymentStatus::RequiresConfirmation,
            Theirs::RequiresAction => PaymentStatus::RequiresAction,
            Theirs::Processing => PaymentStatus::Processing,
            Theirs::RequiresCapture => PaymentStatus::RequiresCapture,
            Theirs::Canceled => PaymentStatus::Canceled,
            Theirs::Succeeded => PaymentStatus::Succeeded,
            other => PaymentStatus::Other(other.as_str().to_owned()),
        };
        let fee = intent
            .latest_charge
            .as_ref()
            .and_then(|charge| charge.as_object())
            .and_then(|charge| charge.balance_transaction.as_ref())
            .and_then(|transaction| transaction.as_object())
            .map(|transaction| transaction.fee);
        Self {
            id: intent.id.as_str().to_owned(),
            client_secret: intent.client_secret.unwrap_or_default(),
            status,
            amount: intent.amount,
            currency: intent.currency.to_string(),
            latest_charge: intent.latest_charge.map(|charge| charge.id().as_str().to_owned()),
            fee,
            metadata: intent.metadata.into_iter().collect(),
            last_error: intent.last_payment_error.map(|error| decline(*error)),
        }
    }
}

/// Checks the `Stripe-Signature` header (`t=…,v1=…`) of a webhook against the secrets of its endpoint; `now` is in seconds
/// since the epoch. Source: <https://docs.stripe.com/webhooks#verify-manually>.
pub fn verify_signature(payload: &[u8], header: &str, secrets: &[&str], now: i64) -> Result<(), SignatureError> {
    let mut timestamp = None;
    let mut candidates = Vec::new();
    for (name, value) in header.split(',').filter_map(|pair| pair.trim().split_once('=')) {
        match name {
            "t" => timestamp = value.parse::<i64>().ok().map(|seconds| (seconds, value)),
            "v1" => candidates.extend(hex::decode(value).ok()),
            _ => {}
        }
    }
    let Some((sent_at, signed_timestamp)) = timestamp else { return Err(SignatureError::Malformed) };
    if candidates.is_empty() {
        return Err(SignatureError::Malformed);
    }
    signature::check_age(sent_at, now)?;
    signature::check_any(secrets, &[signed_timestamp.as_bytes(), b".", payload], &candidates)
}

/// The header Stripe would send, for tests.
pub fn sign(payload: &[u8], secret: &str, now: i64) -> String {
    use hmac::Mac;
    let mac = signature::hmac(secret.as_bytes(), &[now.to_string().as_bytes(), b".", payload]);
    format!("t={now},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// A webhook's event, its object as Stripe wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `evt_…`; the same in every delivery of the event.
    pub id: String,
    /// `payment_intent.succeeded`, …
    pub kind: String,
    /// Seconds since the epoch.
    pub created: i64,
    pub object: Value,
}

impl Event {
    /// Reads a verified payload.
    pub fn parse(payload: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Wire {
            id: String,
            #[serde(rename = "type")]
            kind: String,
            created: i64,
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            object: Value,
        }
        let wire: Wire = serde_json::from_slice(payload)?;
        Ok(Self { id: wire.id, kind: wire.kind, created: wire.created, object: wire.data.object })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1","type":"payment_intent.succeeded","created":17,"data":{"object":{"id":"pi_1"}}}"#;
    const NOW: i64 = 1_760_000_000;

    #[test]
    fn accepts_either_secret_while_one_is_rolled() {
        let header = sign(BODY, "whsec_new", NOW);
        assert_eq!(verify_signature(BODY, &header, &["whsec_old", "whsec_new"], NOW + 299), Ok(()));
        assert_eq!(verify_signature(BODY, &header, &["whsec_old"], NOW), Err(SignatureError::Mismatch));
        let second = header.split_once(',').unwrap().1;
        let both = format!("t={NOW}, v1={}, v0=00, {second}", "00".repeat(32));
        assert_eq!(verify_signature(BODY, &both, &["whsec_new"], NOW), Ok(()));
    }

    #[test]
    fn signs_as_published() {
        // By another program: HMAC-SHA256 of `1760000000.{}` under `whsec_test`.
        let expected = "t=1760000000,v1=36bd79465b49ac7ce6ef02dc49dc372557425a18a75801997a2c67271410b927";
        assert_eq!(sign(b"{}", "whsec_test", NOW), expected);
        assert_eq!(verify_signature(b"{}", expected, &["whsec_test"], NOW), Ok(()));
    }

    #[test]
    fn refuses_what_was_changed_is_old_or_has_no_secret() {
        let header = sign(BODY, "whsec_a", NOW);
        assert_eq!(verify_signature(b"{}", &header, &["whsec_a"], NOW), Err(SignatureError::Mismatch));
        let moved = header.replace(&NOW.to_string(), &(NOW + 1).to_string());
        assert_eq!(verify_signature(BODY, &moved, &["whsec_a"], NOW), Err(SignatureError::Mismatch));
        for late in [NOW + 301, NOW - 301] {
            let verdict = verify_signature(BODY, &header, &["whsec_a"], late);
            assert_eq!(verdict, Err(SignatureError::OutsideTolerance { age_seconds: late - NOW }));
        }
        for malformed in ["", "t=,v1=", "v1=00", "t=1760000000", "t=x,v1=00", "nonsense"] {
            assert_eq!(verify_signature(BODY, malformed, &["whsec_a"], NOW), Err(SignatureError::Malformed));
        }
        let unkeyed = sign(BODY, "", NOW);
        assert_eq!(verify_signature(BODY, &unkeyed, &[""], NOW), Err(SignatureError::Mismatch), "an empty secret opens nothing");
    }

    #[test]
    fn an_event_keeps_its_object() {
        let event = Event::parse(BODY).unwrap();
        assert_eq!((event.id.as_str(), event.kind.as_str(), event.created), ("evt_1", "payment_intent.succeeded", 17));
        assert_eq!(event.object["id"], "pi_1");
        assert!(Event::parse(b"[]").is_err());
    }
}
