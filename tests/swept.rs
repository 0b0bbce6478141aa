//! A check whose job is gone: taken away, or ended without a word to the seller. Nobody waits for ever.
//!
//! Proves: SCAN-03 (a seller learns how each check ended)

use crate::support::{package, stage::Stage};
use mywork::catalog::jobs::SweepChecks;
use sqlx::{AssertSqlSafe, Executor};

async fn sweep(stage: &Stage) {
    mywork_queue::enqueue(&mut stage.look().await, &SweepChecks {}).await.expect("enqueued");
}

async fn does(stage: &Stage, sql: &str) {
    stage.look().await.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

async fn states(stage: &Stage) -> String {
    stage.text("SELECT p.state || ' / ' || v.state FROM products p JOIN product_versions v ON v.product_id = p.id").await
}

#[tokio::test]
async fn a_check_that_lost_its_job_is_begun_anew() {
    let stage = Stage::open().await;
    let seller = stage.seller("ada").await;
    let product = stage.drafts(&seller, "Service starter with billing", "49").await;
    stage.uploads(&seller, &product, "1.0.0", &package::honest()).await;
    does(&stage, "DELETE FROM queue.jobs WHERE kind = 'catalog.quarantine_package'").await;
    does(&stage, "DELETE FROM queue.workflows").await; // as of a version from before there were any
    assert_eq!(stage.work().await.count("catalog.quarantine_package", "done"), 0);

    sweep(&stage).await;
    let done = stage.work().await;
    assert_eq!(done.assert_no_failure().count("catalog.scan_package", "done"), 1, "{done}");
    assert_eq!(states(&stage).await, "draft / checked");

    // What waits for a person is left to the person, and what a job waits to do is left to the job.
    stage.uploads(&seller, &product, "1.0.1", &package::honest()).await;
    sweep(&stage).await;
    let done = stage.work().await;
    assert_eq!(done.kinds()[0], "catalog.sweep_checks", "it looked while the check waited: {done}");
    for kind in ["catalog.quarantine_package", "catalog.validate_package", "catalog.scan_package"] {
        assert_eq!(done.assert_no_failure().count(kind, "done"), 1);
    }
    sweep(&stage).await;
    assert_eq!(stage.work().await.kinds(), ["catalog.sweep_checks"]);
}

#[tokio::test]
async fn a_check_that_died_without_a_word_is_told_to_the_seller() {
    let stage = Stage::open().await;
    let seller = stage.seller("ada").await;
    let product = stage.drafts(&seller, "Service starter with billing", "49").await;
    stage.uploads(&seller, &product, "1.0.0", &package::honest()).await;
    seller.sends(&format!("/dashboard/products/{product}/submit"), &[]).await.ok();

    // On its last attempt it does not even come to say that it gives up.
    does(&stage, "UPDATE queue.jobs SET max_attempts = 1 WHERE kind = 'catalog.quarantine_package'").await;
    does(&stage, "ALTER TABLE product_versions RENAME TO away").await;
    assert_eq!(stage.work().await.count("catalog.quarantine_package", "dead"), 1);
    does(&stage, "ALTER TABLE away RENAME TO product_versions").await;
    assert_eq!(states(&stage).await, "pending / received", "it would wait for ever");

    sweep(&stage).await;
    stage.work().await.assert_no_failure();
    assert_eq!(states(&stage).await, "rejected / rejected");
    let page = seller.opens(&format!("/dashboard/products/{product}/checks")).await.ok();
    page.shows("The check of this package ended without a result").shows("Upload it again");
    let told = stage.sandbox.outbox().to("ada@example.com").into_iter().map(|mail| mail.subject).collect::<Vec<_>>();
    assert_eq!(told[0], "Service starter with billing 1.0.0 did not pass its checks");
}
