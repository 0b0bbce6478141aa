//! What the checks of a package share: a copy of it on local disk, the refusal that ends its way, and the last word when the
//! fault is ours.
//!
//! The copy is a file without a name: however the process ends, the system takes its space back (SCAN-05).

use crate::Context;
use futures::TryStreamExt;
use mywork::catalog::check::{self, Finding, Refused, Severity, Step};
use mywork::{db::Actor, ids::VersionId};
use mywork_queue::{Failure, Outcome};
use mywork_scanner::Refusal;
use mywork_vendors::storage::{Storage, StorageError};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{Seek, SeekFrom},
};
use tokio::io::AsyncWriteExt;

/// A stored package on local disk, as it came from storage.
pub struct Local {
    pub file: File,
    pub sha256: Vec<u8>,
    pub size: u64,
}

/// Fetches the object, hashing what arrives. More than `limit` bytes are refused.
///
/// # Errors
/// When the storage does not give it, or the disk does not take it.
pub async fn fetch(storage: &Storage, key: &str, limit: u64) -> Result<Local, StorageError> {
    let mut chunks = std::pin::pin!(storage.get(key).await?);
    let mut file = tokio::fs::File::from_std(tempfile::tempfile()?);
    let mut hasher = Sha256::new();
    let mut size = 0;
    while let Some(chunk) = chunks.try_next().await? {
        size += chunk.len() as u64;
        if size > limit {
            return Err(StorageError::TooLarge { limit });
        }
        hasher.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    let mut file = file.into_std().await;
    file.seek(SeekFrom::Start(0))?;
    Ok(Local { file, sha256: hasher.finalize().to_vec(), size })
}

/// What a check says of a package that is at fault.
pub struct Verdict {
    pub sentence: String,
    pub remedy: String,
    pub findings: Vec<Finding>,
}

impl Verdict {
    pub fn new(sentence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), remedy: remedy.into(), findings: Vec::new() }
    }

    /// The blockers among the findings, if there are any, as one sentence.
    pub fn of_blockers(findings: &[Finding]) -> Option<Self> {
        let blockers: Vec<&Finding> = findings.iter().filter(|finding| finding.severity == Severity::Blocker).collect();
        let first = blockers.first()?;
        let place = match (&first.path, first.line) {
            (Some(path), Some(line)) => format!(" ({path}, line {line})"),
            (Some(path), None) => format!(" ({path})"),
            _ => String::new(),
        };
        let title = first.title.trim_end_matches('.');
        let more = match blockers.len() - 1 {
            0 => String::new(),
            1 => " One more finding blocks it.".to_owned(),
            n => format!(" {n} more findings block it."),
        };
        Some(Self { sentence: format!("{title}{place}.{more}"), remedy: first.remedy.clone(), findings: findings.to_vec() })
    }
}

impl From<&Refusal> for Verdict {
    fn from(refusal: &Refusal) -> Self {
        Self { sentence: refusal.sentence(), remedy: refusal.remedy().to_owned(), findings: findings(vec![refusal.finding()]) }
    }
}

/// The scanner's findings as they are recorded.
pub fn findings(found: Vec<mywork_scanner::Finding>) -> Vec<Finding> {
    let one = |finding: mywork_scanner::Finding| Finding {
        severity: match finding.severity {
            mywork_scanner::Severity::Blocker => Severity::Blocker,
            mywork_scanner::Severity::Review => Severity::Review,
            mywork_scanner::Severity::Info => Severity::Info,
        },
        rule: finding.rule,
        title: storable(finding.title),
        path: finding.path.map(storable),
        line: finding.line.and_then(|line| i32::try_from(line).ok()),
        excerpt: finding.excerpt.map(storable),
        remedy: finding.remedy,
    };
    found.into_iter().map(one).collect()
}

/// Postgres stores every character but one.
pub fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The same for everything a manifest may have brought into a document.
pub fn storable_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(storable(text)),
        Value::Array(items) => items.into_iter().map(storable_json).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (storable(name), storable_json(field))).collect(),
        plain => plain,
    }
}

/// Ends the way of a package that is at fault: recorded, told, never tried again.
///
/// # Errors
/// When the database fails; the job is then tried again.
pub async fn refuse(cx: &Context, version: VersionId, step: Step, verdict: &Verdict) -> mywork_queue::Result {
    cx.log(format!("refused: {}", verdict.sentence));
    let refused = Refused { step, sentence: &verdict.sentence, remedy: &verdict.remedy, findings: &verdict.findings };
    let mut tx = cx.state.db.begin(Actor::System).await?;
    check::record_refused(&mut tx, version, &refused, cx.clock.now()).await?;
    tx.commit().await?;
    Ok(Outcome::Done)
}

/// A failure of ours is tried again; after the last try the seller is told instead of waiting for ever.
///
/// # Errors
/// The failure itself, while there are tries left.
pub async fn give_up_or(cx: &Context, version: VersionId, step: Step, failure: Failure) -> mywork_queue::Result {
    if !cx.is_last_attempt() {
        return Err(failure);
    }
    tracing::error!(%version, step = step.as_str(), error = %failure, "a package could not be checked");
    let verdict = Verdict::new(
        "We could not check this package, and the fault may be ours.",
        "Upload it again; if it happens twice, write to support.",
    );
    refuse(cx, version, step, &verdict).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, title: &str, line: Option<i32>) -> Finding {
        Finding {
            severity,
            rule: "secret.key".into(),
            title: title.into(),
            path: Some("src/config.py".into()),
            line,
            excerpt: None,
            remedy: "Revoke the key.".into(),
        }
    }

    #[test]
    fn a_hostile_manifest_can_be_stored() {
        let bill = serde_json::json!({"components": [{"name": "left\0pad", "a\0b": 1}]});
        assert_eq!(storable_json(bill), serde_json::json!({"components": [{"name": "left\u{fffd}pad", "a\u{fffd}b": 1}]}));
    }

    #[test]
    fn one_blocker_is_named_and_the_rest_are_counted() {
        let blocker = finding(Severity::Blocker, "A key of AWS.", Some(3));
        let review = finding(Severity::Review, "Calls eval.", None);
        assert!(Verdict::of_blockers(std::slice::from_ref(&review)).is_none());
        let verdict = Verdict::of_blockers(&[blocker.clone(), review.clone()]).expect("a blocker");
        assert_eq!(verdict.sentence, "A key of AWS (src/config.py, line 3).");
        assert_eq!(verdict.findings.len(), 2);
        let verdict = Verdict::of_blockers(&[blocker.clone(), blocker.clone(), blocker]).expect("blockers");
        assert_eq!(verdict.sentence, "A key of AWS (src/config.py, line 3). 2 more findings block it.");
    }
}
