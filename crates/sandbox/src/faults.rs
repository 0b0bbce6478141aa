//! Switches that make the stand-ins fail as vendors do: an error for the next calls, a call carried out whose answer is lost,
//! slowness, and webhooks that come late, twice, or not in order.
//!
//! Set in process by [`Faults::set`] or over HTTP by `POST /_sandbox/faults`; a switch that counts down goes off by itself.

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A stand-in that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    Stripe,
    S3,
    Resend,
    Clerk,
}

/// How a stand-in fails; all zero is not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// So many calls are answered by `status` and nothing is done.
    pub fail_next: u32,
    /// So many calls are carried out, and their answer is lost: the client gets `status`.
    pub lose_answers: u32,
    /// 500 when not set; 429 carries `Retry-After`.
    pub status: Option<u16>,
    /// In seconds, beside 429.
    pub retry_after: Option<u32>,
    /// Every call takes so much longer.
    pub latency_ms: u64,
}

/// How webhooks arrive; the default is at once, once, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookFault {
    /// Every delivery starts so much later.
    pub delay_ms: u64,
    /// Every event is delivered so many times more.
    pub duplicates: u32,
    /// Nothing is delivered until this is off again; then in order, or in reverse.
    pub hold: bool,
    /// Held deliveries go out youngest first.
    pub reverse: bool,
}

/// All switches at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    pub services: BTreeMap<Service, Fault>,
    pub webhooks: WebhookFault,
}

/// A request to set some of the switches; what it does not name stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default)]
    services: BTreeMap<Service, Fault>,
    webhooks: Option<WebhookFault>,
}

/// The switches, shared by all stand-ins of a sandbox.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    switches: Arc<Mutex<Switches>>,
    webhooks_changed: Arc<tokio::sync::Notify>,
}

/// What to do with one call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub latency: Duration,
    pub failure: Option<Failure>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub status: StatusCode,
    pub retry_after: Option<u32>,
    /// Whether the call is carried out before it fails.
    pub afterwards: bool,
}

impl Faults {
    pub fn set(&self, service: Service, fault: Fault) {
        self.lock().services.insert(service, fault);
    }

    pub fn set_webhooks(&self, fault: WebhookFault) {
        self.lock().webhooks = fault;
        self.webhooks_changed.notify_waiters();
    }

    /// Everything works again; held webhooks go out.
    pub fn clear(&self) {
        *self.lock() = Switches::default();
        self.webhooks_changed.notify_waiters();
    }

    pub fn now(&self) -> Switches {
        self.lock().clone()
    }

    pub(crate) fn webhooks(&self) -> WebhookFault {
        self.lock().webhooks.clone()
    }

    /// Resolves when the webhook switches were set again.
    pub(crate) fn webhooks_changed(&self) -> impl Future<Output = ()> {
        Arc::clone(&self.webhooks_changed).notified_owned()
    }

    /// Decides over one call and counts it.
    pub(crate) fn take(&self, service: Service) -> Verdict {
        let mut switches = self.lock();
        let Some(fault) = switches.services.get_mut(&service) else { return Verdict { latency: Duration::ZERO, failure: None } };
        let failure = |afterwards| Failure {
            status: fault.status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            retry_after: fault.retry_after,
            afterwards,
        };
        let latency = Duration::from_millis(fault.latency_ms);
        if fault.fail_next > 0 {
            let failure = Some(failure(false));
            fault.fail_next -= 1;
            return Verdict { latency, failure };
        }
        if fault.lose_answers > 0 {
            let failure = Some(failure(true));
            fault.lose_answers -= 1;
            return Verdict { latency, failure };
        }
        Verdict { latency, failure: None }
    }

    fn lock(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a call of a vendor's API under its switches; `explain` writes the error in the vendor's words.
pub(crate) async fn apply(
    faults: &Faults,
    service: Service,
    request: Request,
    next: Next,
    explain: impl FnOnce(StatusCode) -> Body,
) -> Response {
    let verdict = faults.take(service);
    tokio::time::sleep(verdict.latency).await;
    let Some(failure) = verdict.failure else { return next.run(request).await };
    if failure.afterwards {
        drop(next.run(request).await);
    }
    let mut response = (failure.status, [(header::CONTENT_TYPE, "application/json")], explain(failure.status)).into_response();
    if let Some(seconds) = failure.retry_after {
        for name in ["retry-after", "ratelimit-reset"] {
            response.headers_mut().insert(name, HeaderValue::from(seconds));
        }
    }
    response
}

pub(crate) fn routes(faults: Faults) -> Router {
    Router::new().route("/_sandbox/faults", get(read).post(change).delete(clear)).with_state(faults)
}

async fn read(State(faults): State<Faults>) -> Json<Switches> {
    Json(faults.now())
}

async fn change(State(faults): State<Faults>, Json(change): Json<Change>) -> Json<Switches> {
    for (service, fault) in change.services {
        faults.set(service, fault);
    }
    if let Some(webhooks) = change.webhooks {
        faults.set_webhooks(webhooks);
    }
    Json(faults.now())
}

async fn clear(State(faults): State<Faults>) -> Json<Switches> {
    faults.clear();
    Json(faults.now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_counts_down_and_goes_off() {
        let faults = Faults::default();
        faults.set(Service::Stripe, Fault { fail_next: 1, lose_answers: 1, status: Some(503), ..Fault::default() });
        let failures: Vec<_> = (0..3).map(|_| faults.take(Service::Stripe).failure).collect();
        assert!(matches!(&failures[0], Some(Failure { status: StatusCode::SERVICE_UNAVAILABLE, afterwards: false, .. })));
        assert!(matches!(&failures[1], Some(Failure { afterwards: true, .. })));
        assert_eq!(failures[2], None);
        assert_eq!(faults.take(Service::S3).failure, None, "others are not touched");
    }
}
