//! Payloads of this area's jobs.

use crate::ids::ProductId;
use mywork_queue::{Job, Options, Unique};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Add what one web process counted in a few seconds to the views of products.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountViews {
    /// Named by who counted; the same batch counts once, however often it comes.
    pub batch: Uuid,
    pub counts: Vec<(ProductId, i64)>,
}

impl Job for CountViews {
    const KIND: &'static str = "analytics.count_views";

    fn options(&self) -> Options {
        Options::default().unique(Unique::unfinished(format!("views/{}", self.batch)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_payload_keeps_its_shape() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        let job = CountViews { batch: id.parse().expect("a uuid"), counts: vec![(id.parse().expect("a uuid"), 3)] };
        assert_eq!(serde_json::to_value(job).expect("serialises"), json!({ "batch": id, "counts": [[id, 3]] }));
    }
}
