//! `catalog.quarantine_package`: the upload address of a package stays valid for a while, so what lies under it may change.
//! The storage copies it to a key that nobody can write to, and only that copy is measured, hashed, scanned and sold (SEC-03).
//!
//! Every attempt copies to a key of its own: an attempt that was given up for dead and is not cannot overwrite what another
//! has already hashed.

use super::package::{self, Verdict};
use crate::Context;
use mywork::catalog::{
    check::{self, Copy, Package, Step},
    jobs::QuarantinePackage,
    upload::MAX_PACKAGE,
};
use mywork::{db::Actor, ids::VersionId};
use mywork_queue::Outcome;
use mywork_vendors::storage::StorageError;
use uuid::Uuid;

pub async fn run(job: QuarantinePackage, cx: Context) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let package = check::begin(&mut tx, job.version, Step::Quarantine, cx.clock.now()).await?;
    tx.commit().await?;
    let Some(package) = package else {
        return remove_original(&cx, job.version).await;
    };
    let Some(from) = package.quarantine_key.clone() else {
        return Ok(Outcome::Cancel("this version never was an upload".into()));
    };
    let to = format!("packages/{}/{}", job.version, Uuid::new_v4().simple());
    match copy(&cx, &package, &from, &to).await {
        Ok(Ok(())) => remove_original(&cx, job.version).await,
        Ok(Err(verdict)) => {
            cx.state.storage.delete(&to).await?;
            package::refuse(&cx, job.version, Step::Quarantine, &verdict).await
        }
        // The copy is left alone: when the connection broke during the commit, it may be the one that was recorded.
        Err(failure) => package::give_up_or(&cx, job.version, Step::Quarantine, failure).await,
    }
}

/// Copies, measures, records; the inner error is a fault of the package.
async fn copy(cx: &Context, package: &Package, from: &str, to: &str) -> Result<Result<(), Verdict>, mywork_queue::Failure> {
    let storage = &cx.state.storage;
    let again = "Upload the package again.";
    match storage.copy(from, to).await {
        Err(error) if error.is_not_found() => {
            return Ok(Err(Verdict::new("The uploaded file is no longer there.", again)));
        }
        outcome => outcome?,
    }
    let local = match package::fetch(storage, to, MAX_PACKAGE.unsigned_abs()).await {
        Err(StorageError::TooLarge { .. }) => {
            return Ok(Err(Verdict::new("The package has more than 500 MB.", "Make it smaller and upload it again.")));
        }
        outcome => outcome?,
    };
    let size_bytes = i64::try_from(local.size)?;
    if package.announced_bytes.is_some_and(|announced| announced != size_bytes) {
        return Ok(Err(Verdict::new("The file is not the one that was announced: its size differs.", again)));
    }
    cx.log(format!("{size_bytes} bytes, sha256 {}", hex::encode(&local.sha256)));
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let copy = Copy { key: to, sha256: &local.sha256, size_bytes };
    let recorded = check::record_quarantined(&mut tx, package.version, &copy, cx.clock.now()).await?;
    tx.commit().await?;
    if !recorded {
        storage.delete(to).await?;
    }
    Ok(Ok(()))
}

/// Once the copy is recorded, the original has served. An attempt that died between the two leaves this to the next.
async fn remove_original(cx: &Context, version: VersionId) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let key = check::quarantine_key(&mut tx, version).await?;
    tx.commit().await?;
    if let Some(key) = key {
        cx.state.storage.delete(&key).await?;
    }
    Ok(Outcome::Done)
}
