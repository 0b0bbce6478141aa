//! An admin and the job system: what fails is found, understood and mended from its page, one job at a time or all that match,
//! with a reason and a way back; what runs is watched while it runs; what recurs is paused and run by hand; what stands still
//! half-way goes on. What is nobody's business is not shown, and payouts are nobody's alone.
//!
//! Proves: JOB-09, JOB-11, JOB-12, JOB-13, JOB-19, JOB-21, BEYOND-01, BEYOND-02, ADMIN-07, SEC-06

use crate::support::{
    package,
    people::CARD,
    person::{Person, words},
    program::Program,
    stage::Stage,
    until,
};
use chrono::Duration;
use mywork_queue::{
    Context, Failure, Job, Options, Outcome, Registry, Runtime, RuntimeOptions, Subject,
    admin::bulk,
    clock::SystemClock,
    enqueue, enqueue_with,
    groups::Group,
    testing::{self, Drained},
    workflow::Workflow,
};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

/// Fails until the world is mended.
#[derive(Serialize, Deserialize)]
struct Deliver {
    parcel: Parcel,
}

#[derive(Serialize, Deserialize)]
struct Parcel {
    number: i64,
}

impl Job for Deliver {
    const KIND: &'static str = "story.deliver";
    const MAX_ATTEMPTS: i16 = 1;

    fn options(&self) -> Options {
        Options::default().subject(Subject::new("parcel", self.parcel.number)).tag("story")
    }
}

/// Never fails.
#[derive(Serialize, Deserialize)]
struct Carry {
    what: String,
}

impl Job for Carry {
    const KIND: &'static str = "story.carry";
}

/// Knows a secret and tells it to its log and in its error.
#[derive(Serialize, Deserialize)]
struct Whisper {
    address: String,
    topic: String,
}

impl Job for Whisper {
    const KIND: &'static str = "story.whisper";
    const MAX_ATTEMPTS: i16 = 1;
    const REDACT: &'static [&'static str] = &["address"];
}

/// Pays somebody, or would.
#[derive(Serialize, Deserialize)]
struct PaySomebody {}

impl Job for PaySomebody {
    const KIND: &'static str = "payouts.pay_somebody";
    const MAX_ATTEMPTS: i16 = 1;
}

/// Logs what it is told, when it is told.
#[derive(Serialize, Deserialize)]
struct Recite {}

impl Job for Recite {
    const KIND: &'static str = "story.recite";
}

struct World {
    is_mended: AtomicBool,
    lines: Mutex<mpsc::UnboundedReceiver<String>>,
}

impl World {
    fn new() -> (Arc<Self>, mpsc::UnboundedSender<String>) {
        let (say, lines) = mpsc::unbounded_channel();
        (Arc::new(Self { is_mended: AtomicBool::new(false), lines: Mutex::new(lines) }), say)
    }
}

async fn deliver(job: Deliver, cx: Context<World>) -> mywork_queue::Result {
    cx.log(format_args!("parcel {} is on its way", job.parcel.number));
    if cx.state.is_mended.load(Ordering::Relaxed) {
        return Ok(Outcome::Done);
    }
    Err(Failure::dead(format!("nobody opened at number {}", job.parcel.number)))
}

async fn carry(job: Carry, cx: Context<World>) -> mywork_queue::Result {
    cx.log(format_args!("{} is where it belongs", job.what));
    Ok(Outcome::Done)
}

async fn whisper(job: Whisper, cx: Context<World>) -> mywork_queue::Result {
    cx.log(format_args!("writing to {}", job.address));
    Err(Failure::dead(format!("{} does not answer", job.address)))
}

async fn pay_somebody(_: PaySomebody, cx: Context<World>) -> mywork_queue::Result {
    if cx.state.is_mended.load(Ordering::Relaxed) { Ok(Outcome::Done) } else { Err(Failure::dead("the bank is closed")) }
}

async fn recite(_: Recite, cx: Context<World>) -> mywork_queue::Result {
    let mut told = 0;
    while let Some(line) = cx.state.lines.lock().await.recv().await {
        cx.log(&line);
        told += 1;
        cx.progress(told, 5, line).await;
    }
    Ok(Outcome::Done)
}

fn registry() -> Registry<World> {
    let mut registry = Registry::new();
    registry.add(deliver);
    registry.add(carry);
    registry.add(whisper);
    registry.add(pay_somebody);
    registry.add(recite);
    bulk::register(&mut registry);
    registry
}

/// Runs what is due, by the story's clock.
async fn work(stage: &Stage, world: &Arc<World>) -> Drained {
    let pool = stage.services.db.public();
    testing::drain(pool, &Arc::new(registry()), world.clone(), stage.clock.clone()).await.expect("the queue answers")
}

async fn enqueue_parcels(stage: &Stage, numbers: std::ops::RangeInclusive<i64>) {
    let mut look = stage.look().await;
    for number in numbers {
        enqueue(&mut look, &Deliver { parcel: Parcel { number } }).await.expect("a job");
    }
}

/// The jobs of a list's page, by number.
fn listed(text: &str) -> Vec<i64> {
    let links = text.split("href=\"/admin/jobs/").skip(1).filter_map(|rest| rest.split('"').next());
    links.filter_map(|id| id.parse().ok()).collect()
}

async fn list(admin: &Person, query: &str) -> Vec<i64> {
    listed(&admin.opens(&format!("/admin/jobs/list?{query}")).await.ok().text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_found_and_mended_and_the_trail_says_by_whom() {
    let stage = Stage::open().await;
    let (admin, seller) = (stage.admin("rita").await, stage.seller("ada").await);
    let (world, _) = World::new();
    enqueue_parcels(&stage, 1..=60).await;
    work(&stage, &world).await;
    let job = stage.count("SELECT id FROM queue.finished_jobs WHERE subject_kind = 'parcel' AND subject_id = '17'").await;
    assert!(job > 0);

    // By anything that is known about it; and page by page, each job once.
    for query in [
        "arg=parcel.number+%3D+17",
        "subject_kind=parcel&subject_id=17",
        "error=at+number+17",
        "state=dead&kind=story.deliver&tag=story&arg=parcel.number%3D17&from=2020-01-01T00:00",
    ] {
        assert_eq!(list(&admin, query).await, [job], "{query}");
    }
    assert!(list(&admin, "kind=story.deliver&state=done").await.is_empty());
    assert!(list(&admin, "kind=story.deliver&to=2020-01-01T00:00").await.is_empty());
    admin.opens("/admin/jobs/list?arg=nonsense").await.ok().shows("needs your attention");
    let first = admin.opens("/admin/jobs/list?kind=story.deliver").await.ok();
    let second = admin.opens(&first.address("&#x2f;admin&#x2f;jobs&#x2f;list?kind=story.deliver&amp;cursor=")).await.ok();
    let mut all = [listed(&first.text), listed(&second.text)].concat();
    assert_eq!(listed(&first.text).len(), 50);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 60);

    // The page says what happened, and asks why before it acts.
    let here = format!("/admin/jobs/{job}");
    let page =
        admin.opens(&here).await.ok().shows("Given up").shows("nobody opened at number 17").shows("parcel 17 is on its way");
    assert!(page.text.contains("\"number\": 17") || words(&page.text).contains("\"number\": 17"));
    admin.sends(&format!("{here}/retry"), &[("reason", "?")]).await.ok().shows("Say why");
    admin.sends(&format!("{here}/arguments"), &[("arguments", "{}"), ("reason", "too late")]).await.ok().shows("is over");
    admin.sends(&format!("{here}/retry"), &[("reason", "The street was wrong.")]).await.ok().shows("in line again");
    let typed = r#"{ "parcel": { "number": 18 }"#;
    let again = admin.sends(&format!("{here}/arguments"), &[("arguments", typed), ("reason", "Next door.")]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.shows("This is not JSON").text.contains("value=\"Next door.\""), "nothing typed is lost");
    let corrected = r#"{ "parcel": { "number": 1800 } }"#;
    admin
        .sends(&format!("{here}/arguments"), &[("arguments", corrected), ("reason", "Next door.")])
        .await
        .ok()
        .shows("other arguments");
    admin.sends(&format!("{here}/reschedule"), &[("run_at", "soon"), ("reason", "Nobody is in.")]).await.ok().shows("in UTC");
    let tomorrow = (chrono::Utc::now() + Duration::days(1)).format("%Y-%m-%dT%H:%M").to_string();
    admin
        .sends(&format!("{here}/reschedule"), &[("run_at", &tomorrow), ("reason", "Nobody is in.")])
        .await
        .ok()
        .shows("another time");
    admin.sends(&format!("{here}/cancel"), &[("reason", "Moved away.")]).await.ok().shows("The job is cancelled");
    let dead = stage.count("SELECT max(id) FROM queue.finished_jobs WHERE state = 'dead'").await;
    admin.sends(&format!("/admin/jobs/{dead}/discard"), &[("reason", "Not worth it.")]).await.ok().shows("given up and asks");

    let trail = "SELECT string_agg(action || ': ' || reason, '; ' ORDER BY id) FROM audit_log WHERE subject_kind = 'job' AND actor_id IS NOT NULL";
    assert_eq!(
        stage.text(trail).await,
        "job.retry: The street was wrong.; job.edit: Next door.; job.reschedule: Nobody is in.; job.cancel: Moved away.; \
         job.discard: Not worth it."
    );
    let changed = stage.text("SELECT after::text FROM audit_log WHERE action = 'job.edit'").await;
    assert_eq!(changed, r#"{"arguments": ["parcel"]}"#, "which fields, not what they say");

    // Everybody else is told that there is nothing here for them.
    for path in ["/admin/jobs", "/admin/jobs/list", &here, "/admin/jobs/errors", "/admin/jobs/bulk", "/admin/jobs/events"] {
        let refused = seller.opens(path).await.status;
        assert!([StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&refused), "{path}: {refused}");
    }
    let refused = seller.sends(&format!("{here}/retry"), &[("reason", "It is my parcel.")]).await.status;
    assert!([StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&refused), "{refused}");
    let program = Program::of(&stage, "ada").await;
    program.gets("/api/admin/jobs").await.problem(StatusCode::FORBIDDEN);
    program
        .posts(&format!("/api/admin/jobs/{job}/retry"), &json!({ "reason": "It is mine." }))
        .await
        .problem(StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_match_are_acted_on_after_half_a_minute_in_which_it_can_be_undone() {
    let stage = Stage::open().await;
    let (rita, otto) = (stage.admin("rita").await, stage.admin("otto").await);
    let (world, _) = World::new();
    enqueue_parcels(&stage, 1..=25).await;
    work(&stage, &world).await;
    let dead = "SELECT count(*) FROM queue.finished_jobs WHERE state = 'dead' AND kind = 'story.deliver'";
    assert_eq!(stage.count(dead).await, 25);

    // What fails alike is one group, and leads to the dry run of its retry.
    let program = Program::of(&stage, "rita").await;
    let groups = program.gets("/api/admin/jobs/errors?window=1h").await.json();
    let fingerprint = stage.text("SELECT DISTINCT fingerprint FROM queue.attempts WHERE kind = 'story.deliver'").await;
    if let Some(group) = groups.as_array().and_then(|groups| groups.iter().find(|group| group["kind"] == "story.deliver")) {
        assert_eq!((&group["runs"], &group["fingerprint"]), (&json!(25), &json!(fingerprint)));
    }
    let wish = format!("act=retry&state=dead&kind=story.deliver&fingerprint={fingerprint}");
    let dry = rita.opens(&format!("/admin/jobs/bulk/new?{wish}")).await.ok();
    let dry = dry.shows("Run again 25 jobs").shows("Nothing has been done yet".to_lowercase().as_str());
    assert_eq!(dry.between("name=\"seen\" value=\"", "\""), "25");
    assert_eq!(stage.count("SELECT count(*) FROM queue.bulk_acts").await, 0, "a dry run is dry");

    let mut form =
        vec![("act", "retry"), ("state", "dead"), ("kind", "story.deliver"), ("fingerprint", &fingerprint), ("run_at", "")];
    form.push(("seen", "25"));
    rita.sends("/admin/jobs/bulk", &[form.clone(), vec![("reason", "")]].concat()).await.shows("Say why");
    let grown = [form[..5].to_vec(), vec![("seen", "3"), ("reason", "They are in.")]].concat();
    rita.sends("/admin/jobs/bulk", &grown).await.shows("Look again");

    // Undone in time: nothing is touched.
    let asked = [form.clone(), vec![("reason", "They are in.")]].concat();
    let act = rita.sends("/admin/jobs/bulk", &asked).await.ok().shows("It begins in").shows("They are in.");
    rita.sends(&format!("{}/undo", act.path), &[]).await.ok().shows("Undone: no job was touched");
    stage.later(Duration::seconds(31));
    work(&stage, &world).await;
    assert_eq!(stage.count(dead).await, 25);

    // Left alone, it is done, and all of them are delivered.
    world.is_mended.store(true, Ordering::Relaxed);
    let act = rita.sends("/admin/jobs/bulk", &asked).await.ok();
    stage.later(Duration::seconds(31));
    rita.sends(&format!("{}/undo", act.path), &[]).await.ok().shows("stop it instead");
    work(&stage, &world).await;
    assert_eq!(stage.count(dead).await, 0);
    assert_eq!(stage.count("SELECT count(*) FROM queue.finished_jobs WHERE state = 'done' AND kind = 'story.deliver'").await, 25);
    rita.opens(&act.path).await.ok().shows("25 of 25").shows("Done");
    rita.opens("/admin/jobs/bulk").await.ok().shows("25 of 25").shows("Undone");
    let trail = "SELECT string_agg(action, ', ' ORDER BY id) FROM audit_log WHERE subject_kind = 'bulk_act'";
    assert_eq!(stage.text(trail).await, "jobs.bulk.ask, jobs.bulk.undo, jobs.bulk.ask");

    // A payout is nobody's alone.
    world.is_mended.store(false, Ordering::Relaxed);
    let paying = enqueue(&mut stage.look().await, &PaySomebody {}).await.expect("a job").id;
    work(&stage, &world).await;
    let proposal = rita.sends(&format!("/admin/jobs/{paying}/retry"), &[("reason", "The bank is open.")]).await.ok();
    let proposal = proposal.shows("A second admin has to approve this").shows("Needs a second admin");
    assert!(proposal.path.starts_with("/admin/jobs/bulk/"), "{}", proposal.path);
    let approve = format!("{}/approve", proposal.path);
    rita.sends(&approve, &[("reason", "I am sure.")]).await.ok().shows("another admin has to approve it");
    rita.sends(&format!("/admin/jobs/{paying}/arguments"), &[("arguments", "{}"), ("reason", "More money.")])
        .await
        .ok()
        .shows("Nobody changes the arguments of a payout");
    world.is_mended.store(true, Ordering::Relaxed);
    stage.later(Duration::minutes(1));
    work(&stage, &world).await;
    let state = format!("SELECT state FROM queue.finished_jobs WHERE id = {paying}");
    assert_eq!(stage.text(&state).await, "dead", "not yet");
    otto.sends(&approve, &[("reason", "I called them.")]).await.ok().shows("Approved");
    stage.later(Duration::minutes(1));
    work(&stage, &world).await;
    assert_eq!(stage.text(&state).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_watched() {
    let stage = Stage::open().await;
    let admin = stage.admin("rita").await;
    let program = Program::of(&stage, "rita").await;
    let (world, say) = World::new();
    let job = enqueue(&mut stage.look().await, &Recite {}).await.expect("a job").id;
    let stop = CancellationToken::new();
    let (pool, group) = (stage.services.db.public().clone(), Group::new("story", ["default"], 2));
    let runtime = Runtime::new(pool, Arc::new(registry()), world, group, Arc::new(SystemClock), RuntimeOptions::default());
    let worker = tokio::spawn(runtime.run(stop.clone()));
    let running = format!("SELECT count(*) FROM queue.jobs WHERE id = {job} AND state = 'running'");
    until("the job runs", async || stage.count(&running).await == 1).await;

    admin.opens("/admin/jobs").await.ok().shows("story").shows("slots busy");
    admin.opens("/admin/jobs/workers").await.ok().shows("of 2");
    let page = admin.opens(&format!("/admin/jobs/{job}")).await.ok().shows("Running now");
    let followed = page.text.split_once("data-live=\"").and_then(|(_, rest)| rest.split_once('"')).expect("it is live").0;
    assert_eq!(followed.replace("&#x2f;", "/"), format!("/admin/jobs/{job}/events"));
    assert!(!page.text.contains("action=\"jobs/"), "every form knows where it goes");
    let mut stream = program.asks(&Method::GET, &format!("/admin/jobs/{job}/events")).send().await.expect("a stream");
    assert_eq!(stream.headers()["content-type"], "text/event-stream");

    // Each line is on the page within a second of being said.
    let mut waits = Vec::new();
    let mut seen = String::new();
    for line in ["the curfew tolls", "the knell of parting day", "the lowing herd", "winds slowly", "o'er the lea"] {
        let said = Instant::now();
        say.send(line.to_owned()).expect("the job listens");
        while !words(&seen).contains(line) {
            let piece = stream.chunk().await.expect("the stream goes on").expect("it is not over");
            seen.push_str(&String::from_utf8_lossy(&piece));
        }
        waits.push(said.elapsed());
    }
    waits.sort_unstable();
    // One may be late: the machine has other things to do.
    assert!(waits[3] <= std::time::Duration::from_secs(1), "{waits:?}");
    assert!(words(&seen).contains("5 of 5"), "progress too");

    // When the job is over, the stream says so and ends.
    drop(say);
    while let Some(piece) = stream.chunk().await.expect("the stream ends well") {
        seen.push_str(&String::from_utf8_lossy(&piece));
    }
    assert!(seen.contains("event: over") || seen.contains("event:over"), "{seen}");
    admin.opens(&format!("/admin/jobs/{job}")).await.ok().shows("Attempt 1: done").shows("the curfew tolls");

    // Six streams a person, and no more; a place is free again when a stream goes.
    let overview = async || program.asks(&Method::GET, "/admin/jobs/events").send().await.expect("an answer");
    let mut open = Vec::new();
    for n in 0..6 {
        let stream = overview().await;
        assert_eq!(stream.status(), StatusCode::OK, "stream {n}");
        open.push(stream);
    }
    assert_eq!(overview().await.status(), StatusCode::TOO_MANY_REQUESTS);
    let first = open[0].chunk().await.expect("a stream").expect("a first look");
    assert!(String::from_utf8_lossy(&first).contains("data-part=\"queues\""));
    drop(open);
    until("a place is free", async || overview().await.status() == StatusCode::OK).await;
    stop.cancel();
    worker.await.expect("the worker stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_recurs_is_paused_run_by_hand_and_given_other_times() {
    let stage = Stage::open().await;
    let admin = stage.admin("rita").await;
    let mut look = stage.look().await;
    mywork_queue::schedule::install(&mut look, &mywork_jobs::schedules().expect("plans")).await.expect("schedules");

    admin.opens("/admin/jobs/schedules").await.ok().shows("very day at 04:00 (UTC)").shows("very 10 minutes");
    let here = "/admin/jobs/schedules/retention.prune";
    let enqueued = "SELECT count(*) FROM queue.jobs WHERE kind = 'retention.prune'";
    admin.sends(&format!("{here}/run"), &[("reason", "")]).await.ok().shows("Say why");
    assert_eq!(stage.count(enqueued).await, 0);
    admin.sends(&format!("{here}/run"), &[("reason", "The disk is full.")]).await.ok().shows("is in line");
    assert_eq!(stage.count(enqueued).await, 1);
    admin.sends(&format!("{here}/run"), &[("reason", "Still full.")]).await.ok().shows("still at work");
    admin.sends(&format!("{here}/pause"), &[("reason", "We look into it.")]).await.ok().shows("The schedule is paused");
    admin.opens(here).await.ok().shows("Paused").shows("job #");
    admin.sends(&format!("{here}/resume"), &[("reason", "Done looking.")]).await.ok().shows("goes on");
    let wrong = admin.sends(here, &[("cron", "0 4 * *"), ("zone", "UTC"), ("reason", "Later.")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.shows("five fields").text.contains("value=\"Later.\""), "nothing typed is lost");
    admin.sends(here, &[("cron", "30 5 * * 1"), ("zone", "Europe/Berlin"), ("reason", "Later.")]).await.ok().shows("Monday");
    let trail = "SELECT string_agg(action, ', ' ORDER BY id) FROM audit_log WHERE subject_id = 'retention.prune'";
    assert_eq!(stage.text(trail).await, "schedule.run, schedule.pause, schedule.resume, schedule.edit");

    // Queues and kinds stop and start the same way.
    admin.sends("/admin/jobs/kinds/retention.prune/pause", &[("reason", "Too slow.")]).await.ok().shows("none of its jobs runs");
    assert_eq!(stage.work().await.count("retention.prune", "done"), 0);
    admin.sends("/admin/jobs/kinds/retention.prune/resume", &[("reason", "Faster now.")]).await.ok().shows("start again");
    admin.sends("/admin/jobs/queues/default/pause", &[("reason", "Maintenance.")]).await.ok().shows("default is paused");
    assert_eq!(stage.work().await.count("retention.prune", "done"), 0);
    admin.opens("/admin/jobs").await.ok().shows("Paused");
    admin.sends("/admin/jobs/queues/default/resume", &[("reason", "Over.")]).await.ok().shows("start again");
    assert_eq!(stage.work().await.count("retention.prune", "done"), 1);
    admin.sends("/admin/jobs/queues/default/resume", &[("reason", "Over.")]).await.ok().shows("is not paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_goes_on_from_the_step_that_failed() {
    let stage = Stage::open().await;
    let admin = stage.admin("rita").await;
    let (world, _) = World::new();
    let mut flow = Workflow::new("story.move_house").subject(Subject::new("house", 7));
    let kitchen = flow.step("kitchen", &Carry { what: "the table".to_owned() });
    let piano = flow.after(kitchen).step("piano", &Deliver { parcel: Parcel { number: 2 } });
    flow.after(piano).step("garden", &Carry { what: "the bench".to_owned() });
    let id = flow.start(&mut stage.look().await).await.expect("a workflow").id;
    work(&stage, &world).await;

    let here = format!("/admin/jobs/workflows/{id}");
    admin.opens("/admin/jobs/workflows?state=failed").await.ok().shows("story.move_house").shows("1 of 3");
    admin.opens("/admin/jobs/workflows?state=done").await.ok().hides("story.move_house");
    let page = admin.opens(&here).await.ok().shows("nobody opened at number 2").shows("Go on from where it failed");
    for (state, steps) in [("done", 1), ("failed", 1), ("blocked", 1)] {
        assert_eq!(page.text.matches(&format!("graph-node node-{state}")).count(), steps, "{state}");
    }
    admin.sends(&format!("{here}/resume"), &[("reason", "")]).await.ok().shows("Say why");
    world.is_mended.store(true, Ordering::Relaxed);
    admin
        .sends(&format!("{here}/resume"), &[("reason", "The stairs are free.")])
        .await
        .ok()
        .shows("goes on from where it failed");
    work(&stage, &world).await;
    admin.opens(&here).await.ok().shows("3 of 3 steps done").hides("Go on from where it failed");
    admin.sends(&format!("{here}/resume"), &[("reason", "Once more.")]).await.ok().shows("is over: done");
    let runs = "SELECT string_agg(j.step, ', ' ORDER BY a.started_at, a.job_id, a.lease)
                FROM queue.attempts a JOIN queue.finished_jobs j ON j.id = a.job_id WHERE j.workflow_id IS NOT NULL";
    assert_eq!(stage.text(runs).await, "kitchen, piano, piano, garden", "what is done stays done");
    assert_eq!(stage.text("SELECT action FROM audit_log WHERE subject_kind = 'workflow'").await, "workflow.resume");

    // One that pays money out is not an admin's alone.
    world.is_mended.store(false, Ordering::Relaxed);
    let mut paying = Workflow::new("story.pay_day");
    paying.step("pay", &PaySomebody {});
    let id = paying.start(&mut stage.look().await).await.expect("a workflow").id;
    work(&stage, &world).await;
    let here = format!("/admin/jobs/workflows/{id}");
    admin.sends(&format!("{here}/resume"), &[("reason", "They wait.")]).await.ok().shows("pays money out");
    admin.opens(&here).await.ok().shows("Failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nobodys_business_is_not_shown() {
    let stage = Stage::open().await;
    let admin = stage.admin("rita").await;
    let program = Program::of(&stage, "rita").await;
    let (world, _) = World::new();
    const SECRET: &str = "grandmother@example.org";
    let whisper = Whisper { address: SECRET.to_owned(), topic: "the recipe".to_owned() };
    let waiting = Options::default().run_at(chrono::Utc::now() + Duration::days(1));
    let mut look = stage.look().await;
    let job = enqueue(&mut look, &whisper).await.expect("a job").id;
    let later = enqueue_with(&mut look, &whisper, waiting).await.expect("a job").id;
    work(&stage, &world).await;

    for path in [
        format!("/admin/jobs/{job}"),
        format!("/admin/jobs/{later}"),
        "/admin/jobs/list?kind=story.whisper".to_owned(),
        "/admin/jobs/errors?window=1h".to_owned(),
        "/admin/jobs".to_owned(),
    ] {
        admin.opens(&path).await.ok().hides(SECRET);
    }
    admin.opens(&format!("/admin/jobs/{job}")).await.ok().shows("•••").shows("the recipe").shows("does not answer");
    for path in [format!("/api/admin/jobs/{job}"), "/api/admin/jobs?kind=story.whisper".to_owned()] {
        let body = program.gets(&path).await.body;
        assert!(body.contains("the recipe") && !body.contains(SECRET), "{path}: {body}");
    }
    assert!(list(&admin, "arg=address+%3D+grandmother%40example.org").await.is_empty(), "nor found by");

    // What is hidden from whoever corrects the rest stays what it is.
    let corrected = json!({ "address": "•••", "topic": "the cellar" }).to_string();
    let sent = [("arguments", corrected.as_str()), ("reason", "Another topic.")];
    admin.sends(&format!("/admin/jobs/{later}/arguments"), &sent).await.ok().shows("other arguments").hides(SECRET);
    let args = stage.text(&format!("SELECT args::text FROM queue.jobs WHERE id = {later}")).await;
    assert!(args.contains(SECRET) && args.contains("the cellar"), "{args}");
    assert_eq!(stage.count(&format!("SELECT count(*) FROM audit_log l WHERE l::text LIKE '%{SECRET}%'")).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_what_was_sold_to_the_jobs_behind_it_and_back() {
    let stage = Stage::open().await;
    let (seller, admin) = (stage.seller("ada").await, stage.admin("rita").await);
    let listing = stage.sells(&seller, &admin, "Hello world starter kit", "49", &package::honest()).await;
    let buyer = stage.signs_up("bob").await;
    let (_, intent) = stage.checks_out(&buyer, &listing.slug).await;
    stage.pays(&intent, CARD).await.expect("the card is good");
    stage.work().await.assert_no_failure();

    // From the version and the order to their jobs …
    admin.opens(&format!("/admin/approvals/{}", listing.version)).await.ok().shows("catalog.scan_package");
    let order = stage.text("SELECT id::text FROM orders").await;
    let page = admin.opens(&format!("/admin/orders/{order}")).await.ok().shows("Jobs behind it").shows("orders.fulfil");
    assert!(!listed(&page.text).is_empty());
    // … from a job to what it serves, to the request that started it, and to what else came of that.
    let job = stage.count("SELECT max(id) FROM queue.finished_jobs WHERE kind = 'orders.fulfil'").await;
    let page = admin.opens(&format!("/admin/jobs/{job}")).await.ok();
    let links = page.text.replace("&#x2f;", "/");
    assert!(links.contains(&format!("href=\"/admin/orders/{order}\"")), "{}", words(&page.text));
    let trace = stage.text(&format!("SELECT split_part(trace, '-', 2) FROM queue.finished_jobs WHERE id = {job}")).await;
    let page = page.shows(&trace);
    assert!(page.text.contains("Of the same request") || page.text.contains("Enqueued by"));
    // From a person to what they caused.
    let cause = "SELECT actor::text FROM queue.jobs WHERE actor IS NOT NULL LIMIT 1";
    let person = stage.text(cause).await;
    let page = admin.opens(&format!("/admin/users/{person}")).await.ok().shows("Jobs they caused");
    assert!(!listed(&page.text).is_empty());
}
