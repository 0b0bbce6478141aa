//! What a kind hides is hidden everywhere a job is shown, and out of its errors and logs before they are stored.
//! Proves: JOB-21.

use crate::support::{Stage, Start, committed, eventually, jobs::Seen};
use mywork_queue::{
    Context, Job, JobId, Options, Outcome, Registry, Unique,
    admin::{self, ArgIs, JobFilter, JobState, live, redaction::HIDDEN},
    clock::{Clock, SystemClock},
    enqueue,
    schedule::{self, Plan},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

const EMAIL: &str = "ann \"the\" buyer@example.com";
const CARD: &str = "4242424242424242";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Charge {
    order: i64,
    buyer: Buyer,
    how: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Buyer {
    name: String,
    email: String,
    card: Vec<String>,
}

impl Job for Charge {
    const KIND: &'static str = "test.charge";
    const REDACT: &'static [&'static str] = &["buyer.email", "buyer.card"];

    fn options(&self) -> Options {
        Options::default()
            .unique(Unique::unfinished(format!("{} {}", self.order, self.buyer.email)))
            .tag(self.buyer.email.clone())
            .concurrency(self.buyer.email.clone(), 5)
            .subject(mywork_queue::Subject::new("buyer", &self.buyer.email))
    }
}

fn charge(order: i64, how: &str) -> Charge {
    let buyer = Buyer { name: "Ann".to_owned(), email: EMAIL.to_owned(), card: vec![CARD.to_owned()] };
    Charge { order, buyer, how: how.to_owned() }
}

/// Says its secrets in every way it can, waits at the gate, and ends as told.
async fn run(job: Charge, cx: Context<Seen>) -> mywork_queue::Result {
    cx.log(format_args!("charging {} as {job:?}", job.buyer.email));
    cx.progress(1, 2, format!("asked the bank about {CARD}")).await;
    cx.state.gate.notified().await;
    match job.how.as_str() {
        "fail" => Err(anyhow::anyhow!("the bank knows no {CARD}").context(format!("charging {EMAIL}")).into()),
        "panic" => panic!("no card {CARD}"),
        "cancel" => Ok(Outcome::Cancel(format!("{EMAIL} has left"))),
        _ => Ok(Outcome::Done),
    }
}

/// Nothing of this may hold a secret, in any of its spellings.
fn assert_hidden(what: &str, shown: &str) {
    for secret in ["buyer@example.com", "buyer%40example", CARD] {
        assert!(!shown.contains(secret), "{what} gives {secret:?} away: {shown}");
    }
}

/// Everything that is said about these jobs, as text.
async fn dump(stage: &Stage, jobs: &[JobId]) -> String {
    let mut c = stage.connection().await;
    let json = |value: serde_json::Result<String>| value.expect("JSON");
    let mut text = json(serde_json::to_string(&admin::list(&mut c, &JobFilter::default()).await.expect("a list")));
    for &job in jobs {
        text += &json(serde_json::to_string(&admin::find(&mut c, job).await.expect("the queue").expect("the job")));
        text += &json(serde_json::to_string(&admin::attempts(&mut c, job).await.expect("its runs")));
        text += &json(serde_json::to_string(&live::of_job(&mut c, job, 0).await.expect("the queue").expect("the job")));
        text += &json(serde_json::to_string(&admin::relatives(&mut c, job).await.expect("the queue").expect("the job")));
    }
    let since = SystemClock.now() - chrono::Duration::hours(1);
    text += &json(serde_json::to_string(&admin::errors(&mut c, since).await.expect("errors")));
    text += &json(serde_json::to_string(&live::tick(&mut c).await.expect("a tick")));
    text += &json(serde_json::to_string(&schedule::list(&mut c).await.expect("schedules")));
    text + &json(serde_json::to_string(&admin::alerts(&mut c).await.expect("alerts")))
}

#[tokio::test]
async fn a_secret_is_seen_by_its_handler_and_by_nobody_else() {
    let stage = Stage::new().await;
    let seen = Seen::new();
    let mut registry = Registry::new();
    registry.add(run);
    let mut jobs = Vec::new();
    for (order, how) in ["fail", "panic", "cancel", "succeed"].into_iter().enumerate() {
        let job = charge(order as i64, how);
        jobs.push(committed(&stage.pool, async |c| enqueue(c, &job).await.expect("enqueued").id).await);
    }
    let plan = Plan::new("0 3 * * *", &charge(9, "fail")).expect("a plan");
    committed(&stage.pool, async |c| schedule::install(c, &[plan]).await.expect("installed")).await;
    assert_hidden("a waiting job", &dump(&stage, &jobs).await);

    let worker = Start::new(&stage, registry, Arc::clone(&seen)).run();
    eventually("logs are shown while the jobs run", async || {
        let mut c = stage.connection().await;
        let mut all = true;
        for &job in &jobs {
            let now = live::of_job(&mut c, job, 0).await.expect("the queue").expect("the job");
            all &= now.log.contains("charging") && now.progress.is_some();
        }
        all
    })
    .await;
    let running = dump(&stage, &jobs).await;
    assert_hidden("a running job", &running);
    assert!(running.contains(&format!("charging {HIDDEN}")), "the log itself is shown: {running}");

    for _ in &jobs {
        seen.gate.notify_one();
    }
    let ends = [JobState::Scheduled, JobState::Scheduled, JobState::Cancelled, JobState::Done];
    for (&job, state) in jobs.iter().zip(ends) {
        eventually("it has ended", async || {
            seen.gate.notify_one();
            stage.state(job).await == state
        })
        .await;
    }
    worker.stop().await;
    let over = dump(&stage, &jobs).await;
    assert_hidden("a job that is over", &over);
    for said in [format!("the bank knows no {HIDDEN}"), format!("no card {HIDDEN}"), format!("{HIDDEN} has left")] {
        assert!(over.contains(&said), "{said:?} is shown: {over}");
    }

    // Not hidden when shown, but never stored: what runs say. Only the arguments, and what was made of them, are whole.
    for said in [
        "SELECT coalesce(string_agg(concat_ws(' ', error, log), ' '), '') FROM queue.attempts",
        "SELECT coalesce(string_agg(concat_ws(' ', message, log), ' '), '') FROM queue.progress",
        "SELECT coalesce(string_agg(latest_error, ' '), '') FROM queue.error_counts",
        "SELECT coalesce(string_agg(last_error, ' '), '') FROM queue.jobs",
        "SELECT coalesce(string_agg(concat_ws(' ', last_error, reason), ' '), '') FROM queue.finished_jobs",
    ] {
        let text: String = sqlx::query_scalar(said).fetch_one(&stage.pool).await.expect(said);
        assert!(!text.is_empty(), "{said}");
        assert_hidden(said, &text);
    }
}

#[tokio::test]
async fn a_hidden_argument_cannot_be_found_out_by_asking_for_it() {
    let stage = Stage::new().await;
    let job = committed(&stage.pool, async |c| enqueue(c, &charge(7, "fail")).await.expect("enqueued").id).await;
    let found = async |path: &str, value: &str| {
        let arg = Some(ArgIs { path: path.to_owned(), value: value.to_owned() });
        let found = admin::search(&mut *stage.connection().await, &JobFilter { arg, ..Default::default() }).await;
        found.expect("a page").jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(found("order", "7").await, [job]);
    assert_eq!(found("buyer.name", "Ann").await, [job]);
    assert!(found("buyer.email", EMAIL).await.is_empty());
    assert!(found("buyer.card.0", CARD).await.is_empty(), "below what is hidden");
    let whole = serde_json::to_value(charge(7, "fail")).expect("JSON")["buyer"].clone();
    let as_stored: String =
        sqlx::query_scalar("SELECT ($1::jsonb)::text").bind(&whole).fetch_one(&stage.pool).await.expect("text");
    assert!(found("buyer", &as_stored).await.is_empty(), "around what is hidden");
}

#[tokio::test]
async fn a_form_that_shows_what_is_hidden_as_dots_gives_it_back_unharmed() {
    let stage = Stage::new().await;
    let job = committed(&stage.pool, async |c| enqueue(c, &charge(7, "fail")).await.expect("enqueued").id).await;
    let mut form = stage.job(job).await.job.args;
    assert_eq!(form["buyer"], json!({ "name": "Ann", "email": HIDDEN, "card": HIDDEN }));
    form["order"] = json!(8);
    form["buyer"]["email"] = json!("new@example.com");
    committed(&stage.pool, async |c| admin::edit_args(c, job, &form).await.expect("edited")).await;
    let stored: serde_json::Value =
        sqlx::query_scalar("SELECT args FROM queue.jobs").fetch_one(&stage.pool).await.expect("the job");
    let mut wanted = charge(8, "fail");
    wanted.buyer.email = "new@example.com".to_owned();
    assert_eq!(serde_json::from_value::<Charge>(stored).expect("a charge"), wanted);
}
