//! Payloads of this area's jobs.

use crate::ids::WebhookEventId;
use mywork_queue::{Job, Options, Subject, Unique};
use serde::{Deserialize, Serialize};

/// Bring one person into step with what Clerk said about them (AUTH-05).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProcessClerkEvent {
    pub event: WebhookEventId,
}

impl Job for ProcessClerkEvent {
    const KIND: &'static str = "clerk.process_event";

    fn options(&self) -> Options {
        Options {
            unique: Some(Unique::unfinished(format!("webhook/{}", self.event))),
            subject: Some(Subject::new("webhook_event", self.event)),
            ..Options::default()
        }
    }
}
