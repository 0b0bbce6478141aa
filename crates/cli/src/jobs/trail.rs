//! The line that an act leaves in the audit log, in the same transaction as the act.

use clap::Args;
use mywork::{
    audit::{self, Entry},
    db::{Actor, Tx},
};
use serde_json::Value;

/// Why, for the audit log.
#[derive(Args)]
pub struct Reason {
    /// Why, for the audit log
    #[arg(long, default_value = "from the command line")]
    pub reason: String,
}

/// Notes an act on one thing.
pub async fn note(tx: &mut Tx, action: &'static str, kind: &'static str, id: impl ToString, reason: &str) -> anyhow::Result<()> {
    note_with(tx, action, kind, id, reason, None).await
}

/// Notes an act, and what it was about in detail.
pub async fn note_with(
    tx: &mut Tx,
    action: &'static str,
    kind: &'static str,
    id: impl ToString,
    reason: &str,
    after: Option<Value>,
) -> anyhow::Result<()> {
    let entry = Entry { after, ..Entry::new(Actor::System, action, kind, id).because(reason) };
    Ok(audit::record(tx, &entry, chrono::Utc::now()).await?)
}
