//! Payloads of this area's jobs.

use crate::{catalog::jobs::PACKAGES, ids::UploadId};
use mywork_queue::{Job, Options, Subject, Unique};
use serde::{Deserialize, Serialize};

/// Write to the owner of an address who has forgotten their password, if there is one (AUTH-09).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SendResetLink {
    /// In lower case.
    pub email: String,
}

/// Make a person's picture small and show it (AUTH-03).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ProcessAvatar {
    pub upload: UploadId,
}

impl Job for ProcessAvatar {
    const KIND: &'static str = "identity.process_avatar";
    const QUEUE: &'static str = PACKAGES;
    const MAX_ATTEMPTS: i16 = 8;

    fn options(&self) -> Options {
        let unique = Unique::unfinished(format!("avatar/{}", self.upload));
        Options { subject: Some(Subject::new("upload", self.upload)), ..Options::default().unique(unique) }
    }
}

impl Job for SendResetLink {
    const KIND: &'static str = "identity.send_reset_link";

    fn options(&self) -> Options {
        Options::default().unique(Unique::unfinished(format!("reset/{}", self.email)))
    }
}
