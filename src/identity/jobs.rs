//! Payloads of this area's jobs.

use mywork_queue::{Job, Options, Unique};
use serde::{Deserialize, Serialize};

/// Write to the owner of an address who has forgotten their password, if there is one (AUTH-09).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SendResetLink {
    /// In lower case.
    pub email: String,
}

impl Job for SendResetLink {
    const KIND: &'static str = "identity.send_reset_link";

    fn options(&self) -> Options {
        Options::default().unique(Unique::unfinished(format!("reset/{}", self.email)))
    }
}
