//! Payloads of the jobs that work through the inbox: one kind per sender, each naming the stored event.

use crate::ids::WebhookEventId;
use mywork_queue::{Job, Options, Subject};
use serde::{Deserialize, Serialize};

macro_rules! processors {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            pub event: WebhookEventId,
        }

        impl Job for $name {
            const KIND: &'static str = $kind;

            fn options(&self) -> Options {
                Options { subject: Some(Subject::new("webhook_event", self.event.to_string())), ..Options::default() }
            }
        }
    )*};
}

processors! {
    /// Acts on one event of Stripe, the platform's or a connected account's.
    ProcessStripeEvent = "stripe.process_event";
    /// Acts on one event of Clerk.
    ProcessClerkEvent = "clerk.process_event";
    /// Acts on one event of Resend.
    ProcessResendEvent = "resend.process_event";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_payload_is_still_read() {
        let stored = r#"{"event":"01890a5d-ac96-774b-bcce-b302099a8057"}"#;
        let job: ProcessStripeEvent = serde_json::from_str(stored).expect("the stored form of version 1");
        assert_eq!(serde_json::to_string(&job).expect("plain fields"), stored);
    }
}
