//! Payloads of this area's jobs.

use crate::ids::EmailId;
use mywork_queue::{Job, Options, Subject, Unique};
use serde::{Deserialize, Serialize};

/// Render and send one row of `emails`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SendEmail {
    pub email: EmailId,
}

impl Job for SendEmail {
    const KIND: &'static str = "notifications.send_email";
    const QUEUE: &'static str = "mail";
    const RATE: Option<&'static str> = Some("resend");
    /// With hourly tries at the end, these span three days.
    const MAX_ATTEMPTS: i16 = 80;

    fn options(&self) -> Options {
        Options::default().unique(Unique::unfinished(format!("email/{}", self.email))).subject(Subject::new("email", self.email))
    }
}
