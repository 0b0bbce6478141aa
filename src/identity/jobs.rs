//! Payloads of this area's jobs.

use crate::{
    catalog::jobs::PACKAGES,
    ids::{ResetRequestId, UploadId},
};
use mywork_queue::{Job, Options, Subject, Unique};
use serde::{Deserialize, Serialize};

/// Write to the owner of an address who has forgotten their password, if there is one (AUTH-09).
/// The address waits in `reset_requests`: jobs are kept for months, and it may be that of somebody we do not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SendResetLink {
    Asked {
        request: ResetRequestId,
    },
    /// Version 1 carried the address itself, in lower case. No longer enqueued, still understood.
    Typed {
        email: String,
    },
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
    const VERSION: i16 = 2;
    const REDACT: &'static [&'static str] = &["email"];

    fn options(&self) -> Options {
        match self {
            Self::Asked { request } => Options::default().unique(Unique::unfinished(format!("reset/{request}"))),
            Self::Typed { .. } => Options::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_payloads_are_still_read() {
        let stored = r#"{"request":"01890a5d-ac96-774b-bcce-b302099a8057"}"#;
        let job: SendResetLink = serde_json::from_str(stored).expect("identity.send_reset_link, version 2");
        assert_eq!(serde_json::to_string(&job).expect("plain fields"), stored);
        let args = SendResetLink::upgrade(1, serde_json::json!({ "email": "ada@example.com" })).expect("an upgrade");
        let job: SendResetLink = serde_json::from_value(args).expect("identity.send_reset_link, version 1");
        assert_eq!(job, SendResetLink::Typed { email: "ada@example.com".into() });
        let job: ProcessAvatar = serde_json::from_str(r#"{"upload":"01890a5d-ac96-774b-bcce-b302099a8057"}"#)
            .expect("identity.process_avatar, version 1");
        assert_eq!(job.upload.to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
    }
}
