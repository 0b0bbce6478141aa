//! `catalog.scan_package`: what must not be sold, and what a person should look at (SCAN-02). Blockers reject the version;
//! everything else goes with it to the approval queue.

use super::package::{self, Verdict};
use super::validate_package::fetch_checked;
use crate::Context;
use mywork::catalog::{
    check::{self, Package, Step},
    jobs::ScanPackage,
};
use mywork::db::Actor;
use mywork_queue::{Failure, Outcome};
use mywork_scanner::{Finding, Limits, Refusal};
use std::sync::Arc;

pub async fn run(job: ScanPackage, cx: Context) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let package = check::begin(&mut tx, job.version, Step::Scan, cx.clock.now()).await?;
    tx.commit().await?;
    let Some(package) = package else { return Ok(Outcome::Done) };
    let scanned = match scan(&cx, &package).await {
        Ok(scanned) => scanned,
        Err(failure) => return package::give_up_or(&cx, job.version, Step::Scan, failure).await,
    };
    let found = match scanned {
        Ok(found) => package::findings(found),
        Err(refusal) if refusal.is_ours() => {
            return package::give_up_or(&cx, job.version, Step::Scan, Failure::from(refusal)).await;
        }
        Err(refusal) => return package::refuse(&cx, job.version, Step::Scan, &Verdict::from(&refusal)).await,
    };
    if let Some(verdict) = Verdict::of_blockers(&found) {
        return package::refuse(&cx, job.version, Step::Scan, &verdict).await;
    }
    cx.log(format!("{} findings, none of them blocking", found.len()));
    let mut tx = cx.state.db.begin(Actor::System).await?;
    check::record_scanned(&mut tx, job.version, &found, cx.clock.now()).await?;
    tx.commit().await?;
    Ok(Outcome::Done)
}

async fn scan(cx: &Context, package: &Package) -> Result<Result<Vec<Finding>, Refusal>, Failure> {
    let local = fetch_checked(cx, package).await?;
    let scanner = Arc::clone(&cx.state.scanner);
    Ok(tokio::task::spawn_blocking(move || scanner.scan_reader(local.file, &Limits::default())).await?)
}
