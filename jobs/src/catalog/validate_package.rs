//! `catalog.validate_package`: is the archive sound, and what is in it (SCAN-01)? The copy is fetched, compared with its hash and
//! walked through on a thread of its own under the scanner's limits.
//!
//! A package at fault is rejected with a sentence and a remedy and never tried again; a fault of ours is.

use super::package::{self, Local, Verdict};
use crate::Context;
use mywork::catalog::{
    check::{self, Facts, Package, Step},
    jobs::ValidatePackage,
};
use mywork::db::Actor;
use mywork_queue::{Failure, Outcome};
use mywork_scanner::{Inspection, Limits, Refusal};
use serde_json::json;
use std::sync::Arc;

pub async fn run(job: ValidatePackage, cx: Context) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let package = check::begin(&mut tx, job.version, Step::Validate, cx.clock.now()).await?;
    tx.commit().await?;
    let Some(package) = package else { return Ok(Outcome::Done) };
    let inspected = match inspect(&cx, &package).await {
        Ok(inspected) => inspected,
        Err(failure) => return package::give_up_or(&cx, job.version, Step::Validate, failure).await,
    };
    let inspection = match inspected {
        Ok(inspection) => inspection,
        Err(refusal) if refusal.is_ours() => {
            return package::give_up_or(&cx, job.version, Step::Validate, Failure::from(refusal)).await;
        }
        Err(refusal) => return package::refuse(&cx, job.version, Step::Validate, &Verdict::from(&refusal)).await,
    };
    let facts = facts(&inspection)?;
    let findings = package::findings(inspection.findings);
    if let Some(verdict) = Verdict::of_blockers(&findings) {
        return package::refuse(&cx, job.version, Step::Validate, &verdict).await;
    }
    cx.log(&facts.summary);
    let mut tx = cx.state.db.begin(Actor::System).await?;
    check::record_validated(&mut tx, job.version, &facts, &findings, cx.clock.now()).await?;
    tx.commit().await?;
    Ok(Outcome::Done)
}

async fn inspect(cx: &Context, package: &Package) -> Result<Result<Inspection, Refusal>, Failure> {
    let local = fetch_checked(cx, package).await?;
    let scanner = Arc::clone(&cx.state.scanner);
    Ok(tokio::task::spawn_blocking(move || scanner.inspect_reader(local.file, &Limits::default())).await?)
}

/// The immutable copy, which is still what was hashed; anything else is a fault of the storage.
pub(super) async fn fetch_checked(cx: &Context, package: &Package) -> Result<Local, Failure> {
    let key = package.object_key.as_deref().ok_or_else(|| anyhow::anyhow!("the version has no stored copy"))?;
    let size = package.size_bytes.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    let local = package::fetch(&cx.state.storage, key, size).await?;
    if package.sha256.as_deref() != Some(local.sha256.as_slice()) {
        return Err(anyhow::anyhow!("the stored copy is not what was hashed").into());
    }
    Ok(local)
}

fn facts(inspection: &Inspection) -> Result<Facts, Failure> {
    let mut files: Vec<_> = inspection.files.iter().map(|file| (package::storable(file.path.clone()), file.size)).collect();
    files.sort();
    let count = i32::try_from(files.len())?;
    let languages: Vec<&str> = inspection.stack.iter().take(4).map(String::as_str).collect();
    let made_of = if languages.is_empty() { String::new() } else { format!(" of {}", languages.join(", ")) };
    let plural = if count == 1 { "" } else { "s" };
    Ok(Facts {
        bill_of_materials: package::storable_json(inspection.bill_of_materials.clone()),
        files: files.into_iter().map(|(path, size)| json!({"path": path, "size": size})).collect(),
        detected_stack: inspection.stack.iter().cloned().map(package::storable).collect(),
        file_count: count,
        unpacked_bytes: i64::try_from(inspection.unpacked_bytes)?,
        summary: format!("{count} file{plural}{made_of}, safe to unpack."),
    })
}
