//! The whole way from sign-up to download with real processes, which are killed: between any two steps, and, where it hurts
//! most, in the middle of one. A package half copied, a version half released, a payment taken but not noted, money half
//! booked, an order half delivered, a letter sent but not ticked off. Others go on, and everything has happened once.
//!
//! A job is caught in the middle of its transaction by locking what it needs next.
//!
//! Proves: ORDER-07, JOB-03, OPS-01

use crate::{
    sale,
    support::{
        package,
        people::{CARD, text},
        process::{Crew, Part, free_port},
        stage::Stage,
        until,
    },
};
use mywork::catalog::jobs::DiscardObjects;
use mywork_queue::testing;
use mywork_sandbox::faults::{Fault, Service};
use reqwest::Method;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::time::{Duration, Instant};

const WEB: Part = Part::Web;
const SCHEDULER: Part = Part::Scheduler;
const DEFAULT: Part = Part::Worker("default");
const ORDERS: Part = Part::Worker("orders");
const MAIL: Part = Part::Worker("mail");
const SCAN: Part = Part::Worker("scan");

/// A stand-in that takes so long that nothing it is asked for is done while the story lasts.
const FOR_EVER: Fault = Fault { fail_next: 0, lose_answers: 0, status: None, retry_after: None, latency_ms: 300_000 };

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_everything_happens_once() {
    let stage = Stage::of_processes(free_port()).await;
    let mut crew = Crew::of(&stage).await;
    for part in [WEB, SCHEDULER, DEFAULT, ORDERS, MAIL, SCAN] {
        crew.starts(part).await;
    }

    // People sign up. The first letter is sent, and its sender hears that it was not.
    stage.sandbox.faults().set(Service::Resend, Fault { lose_answers: 1, ..Fault::default() });
    let seller = stage.seller("ada").await;
    crew.replaces(WEB).await;
    crew.replaces(MAIL).await;
    let admin = stage.admin("rita").await;
    crew.replaces(WEB).await;
    crew.replaces(MAIL).await;
    let buyer = stage.signs_up("bob").await;
    stage.work().await;
    assert_eq!(stage.sandbox.outbox().all().len(), 6, "a link and a welcome to each of them");

    // The seller lists; the web dies as soon as it has answered, and the checks wait for somebody to do them.
    crew.kills(SCAN);
    let package = package::honest();
    let product = stage.drafts(&seller, "Hello world starter kit", "49").await;
    crew.replaces(WEB).await;
    let upload = stage.sends_package(&seller, &product, "1.0.0", &package).await;
    crew.replaces(WEB).await;
    let version = stage.completes(&seller, &upload, "1.0.0").await;
    crew.replaces(WEB).await;
    seller.sends(&format!("/dashboard/products/{product}/submit"), &[]).await.ok();
    crew.replaces(WEB).await;

    // Killed while the storage copies the package, and again between its two checks.
    let checking = format!(
        "SELECT count(*) FROM version_checks WHERE version_id = '{version}' AND step = 'quarantine' AND state = 'running'"
    );
    let scan = Held::by(&stage, "SELECT FROM version_checks WHERE step = 'scan' FOR UPDATE").await;
    stage.sandbox.faults().set(Service::S3, FOR_EVER);
    crew.starts(SCAN).await;
    until("the package is being copied", async || stage.count(&checking).await == 1).await;
    dies(&stage, &mut crew, SCAN, async || stage.sandbox.faults().clear()).await;
    dies_before(&stage, &mut crew, SCAN, scan).await;
    stage.work().await;

    // Killed while the approved version is put on the shelf.
    crew.kills(DEFAULT);
    tokio::join!(stage.approves(&admin, &version), async {
        until("the release waits for a worker", async || {
            stage.count("SELECT count(*) FROM queue.jobs WHERE kind = 'catalog.release_version'").await == 1
        })
        .await;
        let shelf = Held::by(&stage, "LOCK TABLE product_stats IN SHARE MODE").await;
        crew.starts(DEFAULT).await;
        dies_before(&stage, &mut crew, DEFAULT, shelf).await;
    });
    crew.replaces(WEB).await;

    // Killed when the payment intent has been made, and its answer has not arrived.
    let slug = stage.text("SELECT slug FROM products").await;
    stage.sandbox.faults().set(Service::Stripe, Fault { lose_answers: 9, latency_ms: 200, ..Fault::default() });
    let button = format!("/checkout/{slug}");
    tokio::join!(buyer.sends_in_vain(&button, &[("licence", "standard")]), async {
        until("the intent is made", async || !stage.sandbox.stripe().payment_intents().is_empty()).await;
        crew.kills(WEB);
    });
    stage.sandbox.faults().clear();
    crew.starts(WEB).await;
    let (checkout, intent) = stage.checks_out(&buyer, &slug).await;
    assert_eq!(stage.sandbox.stripe().payment_intents().len(), 1, "the second press finds the first one's intent");

    // Killed while it writes down that the payment has been made, and once more when it has.
    crew.kills(ORDERS);
    let paid = "SELECT count(*) FROM webhook_events WHERE kind = 'payment_intent.succeeded'";
    let inbox = Held::by(&stage, "LOCK TABLE webhook_events IN SHARE MODE").await;
    assert_eq!(stage.sandbox.stripe().pay(&intent, CARD).expect("the card is good"), "succeeded");
    inbox.is_wanted(&stage).await;
    crew.kills(WEB);
    inbox.lets_go().await;
    crew.starts(WEB).await;
    until("Stripe has told it again", async || stage.count(paid).await == 1).await;
    crew.replaces(WEB).await;

    // Killed while the money is booked, and while the order is delivered.
    let books = Held::by(&stage, "LOCK TABLE ledger_postings IN SHARE MODE").await;
    let counter = Held::by(&stage, "LOCK TABLE product_stats IN SHARE MODE").await;
    crew.kills(MAIL);
    crew.starts(ORDERS).await;
    dies_before(&stage, &mut crew, ORDERS, books).await;
    assert_eq!(stage.count("SELECT count(*) FROM orders WHERE state = 'fulfilled'").await, 0);
    dies_before(&stage, &mut crew, ORDERS, counter).await;

    // Killed when both letters have been sent, and neither is ticked off.
    let letters = "SELECT count(*) FROM emails WHERE state = 'queued'";
    until("receipt and notice wait for a worker", async || stage.count(letters).await == 2).await;
    let sent = stage.sandbox.outbox().all().len();
    let ticks = Held::by(&stage, "LOCK TABLE emails IN SHARE MODE").await;
    crew.starts(MAIL).await;
    until("both are sent", async || stage.sandbox.outbox().all().len() == sent + 2).await;
    assert_eq!(stage.count(letters).await, 2);
    dies_before(&stage, &mut crew, MAIL, ticks).await;

    // A time of the schedule that came while nobody looked is made up for.
    crew.kills(SCHEDULER);
    stage.look().await.execute("UPDATE queue.schedules SET next_at = now()").await.expect("the schedules are there");
    crew.starts(SCHEDULER).await;
    until("the schedule has gone on", async || {
        stage.count("SELECT count(*) FROM queue.schedules WHERE next_at <= now()").await == 0
    })
    .await;
    stage.work().await;
    let undone =
        "SELECT count(*) FROM queue.occurrences LEFT JOIN queue.finished_jobs ON id = job_id WHERE state IS DISTINCT FROM 'done'";
    assert_eq!(stage.count(undone).await, 0);
    assert!(stage.count("SELECT count(*) FROM queue.occurrences WHERE schedule = 'orders.release_hold'").await > 0);

    // What came of it is what comes of it when nobody is killed.
    buyer.opens(&format!("/checkout/success?checkout={checkout}")).await.ok().shows("Thank you").shows("$49.00 received");
    let order = stage.text("SELECT id::text FROM orders").await;
    let (status, download) = buyer.calls(Method::GET, &format!("/api/orders/{order}/download"), None).await;
    assert!(status.is_success(), "{download}");
    let bytes = reqwest::get(text(&download, "url")).await.expect("the storage answers").bytes().await.expect("all of it");
    assert_eq!(Sha256::digest(&bytes), Sha256::digest(&package));
    assert_eq!(sale::one_of_everything(&stage).await, sale::ONE_SALE);
    assert_eq!(
        sale::balances(&stage).await,
        "platform_revenue -490, processor_clearing 4728, processor_fees 172, seller_pending -4410"
    );
    assert_eq!(stage.sandbox.stripe().charges().len(), 1);
    assert_eq!(stage.text("SELECT string_agg(state, ' ') FROM product_versions").await, "released");
    assert_eq!(stage.text("SELECT string_agg(DISTINCT state, ' ') FROM version_checks").await, "passed");
    assert_eq!(stage.text("SELECT string_agg(DISTINCT state, ' ') FROM emails").await, "sent");
    assert_eq!(stage.sandbox.outbox().all().len(), usize::try_from(stage.count("SELECT count(*) FROM emails").await).unwrap());
    testing::assert_nothing_left(&mut stage.look().await, sale::WAITING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_asked_to_stop_hands_back_what_it_has() {
    let stage = Stage::of_processes(free_port()).await;
    let mut crew = Crew::of(&stage).await;
    stage.sandbox.faults().set(Service::S3, FOR_EVER);
    let job = DiscardObjects { keys: vec!["uploads/nothing".into()], multipart: None };
    mywork_queue::enqueue(&mut stage.look().await, &job).await.unwrap();
    crew.starts(DEFAULT).await;
    until("the job runs", async || stage.count("SELECT count(*) FROM queue.jobs WHERE state = 'running'").await == 1).await;

    let asked = Instant::now();
    let ended = crew.stops(DEFAULT).await;
    println!("a worker that was asked to stop had stopped after {} ms", asked.elapsed().as_millis());
    assert!(ended.success(), "{ended}");
    assert_eq!(stage.text("SELECT state || ' ' || attempt FROM queue.jobs").await, "available 0", "it cost no attempt");

    // The next one does it at once: nobody has to be given up for that.
    stage.sandbox.faults().clear();
    crew.starts(DEFAULT).await;
    stage.work().await;
    assert_eq!(stage.count("SELECT count(*) FROM queue.attempts WHERE outcome = 'lost'").await, 0);
    testing::assert_nothing_left(&mut stage.look().await, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_deep_in_an_archive_stops_at_once_all_the_same() {
    let stage = Stage::of_processes(free_port()).await;
    let mut crew = Crew::of(&stage).await;
    for part in [WEB, MAIL, DEFAULT] {
        crew.starts(part).await;
    }
    let seller = stage.seller("ada").await;
    let product = stage.drafts(&seller, "Hello world starter kit", "49").await;
    let package = package::laborious();
    stage.uploads(&seller, &product, "1.0.0", &package).await;
    crew.starts(SCAN).await;
    let scanning = "SELECT count(*) FROM version_checks WHERE step = 'scan' AND state = 'running'";
    until("it is being scanned", async || stage.count(scanning).await == 1).await;
    let whole = package.len() as u64;
    until("the package is fetched", async || crew.scratch_files(SCAN).contains(&whole)).await;

    let asked = Instant::now();
    let ended = crew.stops(SCAN).await;
    println!("a worker deep in an archive had stopped after {} ms", asked.elapsed().as_millis());
    assert!(ended.success() && asked.elapsed() < Duration::from_secs(3), "{ended} after {:?}", asked.elapsed());
    let left = "SELECT state || ' ' || attempt FROM queue.jobs WHERE kind = 'catalog.scan_package'";
    assert_eq!(stage.text(left).await, "available 0", "it was not done, and it cost no attempt");
}

/// A lock in the way of whoever needs what it holds: they stop there, in the middle of their transaction.
struct Held(PgConnection);

impl Held {
    async fn by(stage: &Stage, lock: &str) -> Self {
        let mut connection = stage.look().await;
        connection.execute("BEGIN").await.expect("a transaction");
        connection.execute(AssertSqlSafe(lock.to_owned())).await.unwrap_or_else(|e| panic!("{lock}: {e}"));
        Self(connection)
    }

    /// Waits until somebody stands before it.
    async fn is_wanted(&self, stage: &Stage) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("somebody waits for the lock", async || stage.count(waiting).await > 0).await;
    }

    async fn lets_go(self) {
        self.0.close().await.expect("an orderly end");
    }
}

/// Kills a worker that stands before a lock; see [`dies`].
async fn dies_before(stage: &Stage, crew: &mut Crew<'_>, worker: Part, lock: Held) {
    lock.is_wanted(stage).await;
    dies(stage, crew, worker, async || lock.lets_go().await).await;
}

/// Kills a worker at its work, clears the way, and waits until another has what the dead one had: within fifteen seconds.
async fn dies(stage: &Stage, crew: &mut Crew<'_>, worker: Part, clear_the_way: impl AsyncFnOnce()) {
    let lost = "SELECT count(*) FROM queue.attempts WHERE outcome = 'lost'";
    let before = stage.count(lost).await;
    crew.kills(worker);
    let killed = Instant::now();
    clear_the_way().await;
    crew.starts(worker).await;
    until("the dead worker's jobs are taken back", async || stage.count(lost).await > before).await;
    println!("{worker:?} was killed at its work; its jobs were taken back after {} ms", killed.elapsed().as_millis());
    assert!(killed.elapsed() <= Duration::from_secs(15), "{worker:?}: {:?}", killed.elapsed());
}
