//! Payloads of the jobs of this area.

use mywork_queue::Job;
use serde::{Deserialize, Serialize};

/// Scheduled nightly: forgets what is past its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prune {}

impl Job for Prune {
    const KIND: &'static str = "retention.prune";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_payloads_are_still_read() {
        serde_json::from_str::<Prune>("{}").expect("retention.prune, version 1");
    }
}
