//! Payloads of the jobs that work through the inbox, each naming the stored event. Handlers: `jobs/src/webhooks/`,
//! and Clerk's with identity.

use crate::ids::WebhookEventId;
use mywork_queue::{Job, Options, Subject};
use serde::{Deserialize, Serialize};

/// Acts on one event of Stripe, the platform's or a connected account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStripeEvent {
    pub event: WebhookEventId,
}

impl Job for ProcessStripeEvent {
    const KIND: &'static str = "stripe.process_event";
    const QUEUE: &'static str = crate::orders::jobs::QUEUE;

    fn options(&self) -> Options {
        Options::default().subject(Subject::new("webhook_event", self.event))
    }
}

/// Acts on one event of Clerk (AUTH-05).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessClerkEvent {
    pub event: WebhookEventId,
}

impl Job for ProcessClerkEvent {
    const KIND: &'static str = "clerk.process_event";

    fn options(&self) -> Options {
        Options::default().subject(Subject::new("webhook_event", self.event))
    }
}

/// Acts on one event of Resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessResendEvent {
    pub event: WebhookEventId,
}

impl Job for ProcessResendEvent {
    const KIND: &'static str = "resend.process_event";

    fn options(&self) -> Options {
        Options::default().subject(Subject::new("webhook_event", self.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_payloads_are_still_read() {
        let stored = r#"{"event":"01890a5d-ac96-774b-bcce-b302099a8057"}"#;
        let job: ProcessStripeEvent = serde_json::from_str(stored).expect("stripe.process_event, version 1");
        assert_eq!(serde_json::to_string(&job).expect("plain fields"), stored);
        let job: ProcessClerkEvent = serde_json::from_str(stored).expect("clerk.process_event, version 1");
        assert_eq!(serde_json::to_string(&job).expect("plain fields"), stored);
        let job: ProcessResendEvent = serde_json::from_str(stored).expect("resend.process_event, version 1");
        assert_eq!(serde_json::to_string(&job).expect("plain fields"), stored);
    }
}
