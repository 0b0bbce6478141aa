//! A message that the provider refuses: it is given up and shown to an admin, who mends the cause and runs the job again from
//! its page. It is sent then, once, and the trail says who did it and why.
//!
//! Proves: JOB-04, SEC-06

use crate::support::stage::Stage;
use mywork::notifications::email::{self, NewEmail};
use mywork_queue::testing;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_sent_when_an_admin_says_so() {
    let stage = Stage::open().await;
    let admin = stage.admin("rita").await;
    let message = NewEmail {
        dedupe_key: "story/1".into(),
        template: "password_changed",
        to: "bob at example",
        user: None,
        context: json!({"display_name": "Ada Lovelace", "changed_at": "24 February 2026, 12:00 UTC"}),
    };
    stage.work().await.assert_no_failure();
    let mut look = stage.look().await;
    email::queue(&mut look, &message, chrono::Utc::now()).await.unwrap();
    let ran = stage.work().await;
    assert_eq!(ran.count("notifications.send_email", "dead"), 1, "{ran}");
    assert!(stage.sandbox.outbox().to("bob@example.com").is_empty());
    let job = stage.count("SELECT id FROM queue.finished_jobs WHERE state = 'dead'").await;

    sqlx::query("UPDATE emails SET to_address = 'bob@example.com' WHERE state = 'failed'").execute(&mut look).await.unwrap();

    // The list shows it, the page shows why, and asks for a reason before it acts.
    admin.opens("/admin/jobs/list?state=dead").await.ok().shows("notifications.send_email");
    admin.opens(&format!("/admin/jobs/{job}")).await.ok().shows("Given up").shows("Attempt 1: dead");
    admin.sends(&format!("/admin/jobs/{job}/retry"), &[("reason", "")]).await.ok().shows("Say why");
    assert!(stage.work().await.runs.is_empty());
    admin
        .sends(&format!("/admin/jobs/{job}/retry"), &[("reason", "The address is right now.")])
        .await
        .ok()
        .shows("in line again");
    stage.work().await.assert_no_failure();
    stage.work().await.assert_no_failure();

    assert_eq!(stage.sandbox.outbox().to("bob@example.com").len(), 1);
    assert_eq!(stage.text("SELECT state FROM emails WHERE dedupe_key = 'story/1'").await, "sent");
    let trail = "SELECT action || ': ' || reason FROM audit_log WHERE subject_kind = 'job'";
    assert_eq!(stage.text(trail).await, "job.retry: The address is right now.");
    assert_eq!(
        stage.count(&format!("SELECT count(*) FROM queue.attempts WHERE job_id = {job}")).await,
        2,
        "every attempt is kept"
    );
    testing::assert_nothing_left(&mut look, &[]).await;
}
