//! The whole way, as its people walk it: a seller signs up, fills in the wizard and uploads a package straight to storage; jobs
//! check it; an admin approves; a buyer finds it, pays by card, gets the receipt and downloads the very bytes that were
//! uploaded. The twins that go wrong are told beside it; after each the books are whole.
//!
//! Proves: AUTH-01, AUTH-04, AUTH-09, PROD-01, PROD-02, PROD-03, PROD-08, PROD-11, SCAN-01, SCAN-02, SCAN-03, SEC-03, ADMIN-01
//! Proves: ORDER-02, ORDER-03, ORDER-04, ORDER-05, ORDER-06, ORDER-07, PAY-03, PAY-04, PAY-06, PAY-09

use crate::support::{
    package,
    people::{CARD, DECLINED_CARD, text},
    stage::Stage,
};
use chrono::Duration;
use mywork_queue::testing;
use reqwest::Method;
use sha2::{Digest, Sha256};

/// Jobs that wait for their time after a sale, and may: looks at a payment that has been settled meanwhile.
pub const WAITING: &[&str] = &["orders.reconcile_checkout", "orders.expire_checkout"];

#[tokio::test(flavor = "multi_thread")]
async fn from_sign_up_to_download() {
    let stage = Stage::open().await;
    let package = package::honest();
    let (seller, admin) = (stage.seller("ada").await, stage.admin("rita").await);

    // The seller lists; nobody sees it before it is approved.
    let product = stage.drafts(&seller, "Hello world starter kit", "49").await;
    let version = stage.uploads(&seller, &product, "1.0.0", &package).await;
    seller.sends(&format!("/dashboard/products/{product}/submit"), &[]).await.ok();
    stage.person().opens("/products?q=hello").await.ok().hides("Hello world starter kit");
    stage.work().await.assert_no_failure();
    seller.opens(&format!("/dashboard/products/{product}/checks")).await.ok().shows("Hello world starter kit");
    stage.approves(&admin, &version).await;

    // The buyer finds it by a word and pays.
    let buyer = stage.signs_up("bob").await;
    let found = buyer.opens("/products?q=hello").await.ok().shows("Hello world starter kit");
    let slug = found.address("/products/hello-world").trim_start_matches("/products/").to_owned();
    buyer.opens(&format!("/products/{slug}")).await.ok().shows("$49.00");
    let (checkout, intent) = stage.checks_out(&buyer, &slug).await;
    assert_eq!(stage.pays(&intent, CARD).await.expect("the card is good"), "succeeded");
    stage.work().await.assert_no_failure();
    buyer.opens(&format!("/checkout/success?checkout={checkout}")).await.ok().shows("Thank you").shows("$49.00 received");
    buyer.opens("/library").await.ok().shows("Hello world starter kit");

    // What is downloaded is what was uploaded.
    let order = stage.text("SELECT id::text FROM orders").await;
    let (status, download) = buyer.calls(Method::GET, &format!("/api/orders/{order}/download"), None).await;
    assert!(status.is_success(), "{download}");
    let bytes = reqwest::get(text(&download, "url")).await.expect("the storage answers").bytes().await.expect("all of it");
    assert_eq!(Sha256::digest(&bytes), Sha256::digest(&package));
    assert_eq!(stage.text("SELECT encode(sha256, 'hex') FROM product_versions").await, hex::encode(Sha256::digest(&package)));
    let (status, _) = stage.signs_up("eve").await.calls(Method::GET, &format!("/api/orders/{order}/download"), None).await;
    assert_eq!(status, reqwest::StatusCode::NOT_FOUND);

    // One of everything, and the money where it belongs.
    assert_eq!(one_of_everything(&stage).await, ONE_SALE);
    assert_eq!(
        balances(&stage).await,
        "platform_revenue -490, processor_clearing 4728, processor_fees 172, seller_pending -4410"
    );
    let receipt =
        stage.sandbox.outbox().to("bob@example.com").into_iter().find(|m| m.subject.contains("MW-")).expect("a receipt");
    assert!(receipt.text.expect("a text").contains("$49.00"));
    let notice = stage
        .sandbox
        .outbox()
        .to("ada@example.com")
        .into_iter()
        .find(|m| m.text.as_deref().is_some_and(|t| t.contains("$44.10")))
        .expect("a sale notice");
    assert!(!notice.text.unwrap_or_default().contains("bob@example.com"), "a seller does not learn the buyer's address");

    // Every job names the request that led to it; those of the checkout's own request name the buyer.
    assert_eq!(stage.count("SELECT count(*) FROM queue.finished_jobs WHERE trace IS NULL").await, 0);
    let looks = stage.text("SELECT DISTINCT actor::text FROM queue.jobs WHERE kind = 'orders.reconcile_checkout'").await;
    assert_eq!(looks, stage.text("SELECT buyer_id::text FROM orders").await);

    // A week later the seller's share is available.
    stage.later(Duration::days(7) + Duration::hours(1));
    mywork_queue::enqueue(&mut stage.look().await, &mywork::orders::jobs::ReleaseHold {}).await.unwrap();
    stage.work().await.assert_no_failure();
    assert_eq!(
        balances(&stage).await,
        "platform_revenue -490, processor_clearing 4728, processor_fees 172, seller_available -4410, seller_pending 0"
    );
    testing::assert_nothing_left(&mut stage.look().await, WAITING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_is_no_good_is_never_sold() {
    let stage = Stage::open().await;
    let seller = stage.seller("mallory").await;
    for (title, package, told) in [
        ("A kit with a leaked key", package::with_leaked_key(), "key"),
        ("A kit that is a zip bomb", package::bomb(), "unpack"),
        ("A kit that leaves its folder", package::traversal(), ".."),
    ] {
        let product = stage.drafts(&seller, title, "19").await;
        let version = stage.uploads(&seller, &product, "1.0.0", &package).await;
        seller.sends(&format!("/dashboard/products/{product}/submit"), &[]).await.ok();
        stage.work().await.assert_no_failure();
        assert_eq!(
            stage.text(&format!("SELECT state FROM product_versions WHERE id = '{version}'")).await,
            "rejected",
            "{title}"
        );
        seller.opens(&format!("/dashboard/products/{product}/checks")).await.ok().shows(told);
        assert!(
            stage.sandbox.outbox().to("mallory@example.com").iter().any(|m| m.text.as_deref().is_some_and(|t| t.contains(title))),
            "{title}: the seller is told"
        );

        // Mended and uploaded again, it passes.
        let mended = stage.uploads(&seller, &product, "1.0.1", &package::honest()).await;
        stage.work().await.assert_no_failure();
        assert_eq!(stage.text(&format!("SELECT state FROM product_versions WHERE id = '{mended}'")).await, "checked", "{title}");
    }
    stage.person().opens("/products").await.ok().hides("A kit");
    testing::assert_nothing_left(&mut stage.look().await, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_can_be_followed_by_a_good_one() {
    let stage = Stage::open().await;
    let (seller, admin, buyer) = (stage.seller("ada").await, stage.admin("rita").await, stage.signs_up("bob").await);
    let listing = stage.sells(&seller, &admin, "Hello world starter kit", "49", &package::honest()).await;

    let (checkout, intent) = stage.checks_out(&buyer, &listing.slug).await;
    stage.pays(&intent, DECLINED_CARD).await.expect_err("the card is declined");
    stage.work().await;
    buyer.opens(&format!("/checkout/success?checkout={checkout}")).await.ok().hides("Thank you");
    assert_eq!(stage.count("SELECT count(*) FROM licences").await, 0);
    assert_eq!(stage.count("SELECT count(*) FROM ledger_postings").await, 0);

    // The same checkout takes another card: no second order, no second intent.
    let (again, same_intent) = stage.checks_out(&buyer, &listing.slug).await;
    assert_eq!((&again, &same_intent), (&checkout, &intent));
    stage.pays(&intent, CARD).await.expect("this one is good");
    stage.work().await.assert_no_failure();
    assert_eq!(one_of_everything(&stage).await, ONE_SALE);
    testing::assert_nothing_left(&mut stage.look().await, WAITING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_come_twice_late_or_too_early_change_nothing() {
    let stage = Stage::open().await;
    let (seller, admin, buyer) = (stage.seller("ada").await, stage.admin("rita").await, stage.signs_up("bob").await);
    let listing = stage.sells(&seller, &admin, "Hello world starter kit", "49", &package::honest()).await;

    let (_, intent) = stage.checks_out(&buyer, &listing.slug).await;
    // The event is processed while the checkout does not know its intent yet, as when the payment overtakes our commit.
    let forget = format!("UPDATE checkouts SET payment_intent_id = NULL, state = 'open' WHERE payment_intent_id = '{intent}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(forget)).execute(&mut stage.look().await).await.unwrap();
    stage.sandbox.faults().set_webhooks(mywork_sandbox::faults::WebhookFault { duplicates: 2, ..Default::default() });
    stage.pays(&intent, CARD).await.expect("the card is good");
    stage.work().await;

    // Everything again, in whatever order, an hour later.
    for event in stage.sandbox.stripe().events() {
        stage.sandbox.stripe().resend(event["id"].as_str().unwrap(), 3);
    }
    stage.later(Duration::hours(1));
    stage.work().await;
    stage.later(Duration::hours(25));
    stage.work().await;
    assert_eq!(one_of_everything(&stage).await, ONE_SALE);
    let events = stage.sandbox.stripe().events().len() as i64;
    assert!(stage.events_received().await <= events, "an event is stored once however often it comes");
    testing::assert_nothing_left(&mut stage.look().await, &[]).await;
}

pub const ONE_SALE: &str =
    "checkouts paid 1, orders fulfilled 1, licences active 1, charges 1, receipts 1, notices 1, sales 1, ledger 0";

/// How many there are of everything a sale makes, and what the ledger sums to.
pub async fn one_of_everything(stage: &Stage) -> String {
    let charges = stage.sandbox.stripe().charges().iter().filter(|c| c["status"] == "succeeded").count();
    let mail = |to: &str| {
        stage
            .sandbox
            .outbox()
            .to(to)
            .iter()
            .filter(|m| m.subject.contains("MW-") || m.text.as_deref().is_some_and(|t| t.contains("MW-20")))
            .count()
    };
    format!(
        "checkouts paid {}, orders fulfilled {}, licences active {}, charges {charges}, receipts {}, notices {}, sales {}, ledger {}",
        stage.count("SELECT count(*) FROM checkouts WHERE state = 'paid'").await,
        stage.count("SELECT count(*) FROM orders WHERE state = 'fulfilled'").await,
        stage.count("SELECT count(*) FROM licences WHERE state = 'active'").await,
        mail("bob@example.com"),
        mail("ada@example.com"),
        stage.count("SELECT sum(sales)::bigint FROM product_stats").await,
        stage.count("SELECT sum(amount_cents)::bigint FROM ledger_postings").await,
    )
}

pub async fn balances(stage: &Stage) -> String {
    stage
        .text(
            "SELECT string_agg(kind || ' ' || total, ', ' ORDER BY kind) FROM (
               SELECT a.kind, sum(p.amount_cents) AS total FROM ledger_postings p JOIN ledger_accounts a ON a.id = p.account_id GROUP BY a.kind) b",
        )
        .await
}
