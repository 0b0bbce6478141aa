//! What people see and press, in a real browser, on a phone and at a desk: buying from the first visit to the file on one's own
//! disk, a card that is declined, a package uploaded by the page's script while its checks go by.
//!
//! Proves: ORDER-03, PROD-08, SCAN-03

use crate::support::{
    browser::{Browser, Size},
    package,
    people::{CARD, DECLINED_CARD, Listing, PASSWORD},
    stage::Stage,
    until,
};
use sha2::{Digest, Sha256};

const TITLE: &str = "Hello world starter kit";

#[tokio::test(flavor = "multi_thread")]
async fn buying_on_a_phone() {
    a_visitor_buys_and_downloads(Size::Phone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buying_at_a_desk() {
    a_visitor_buys_and_downloads(Size::Desk).await;
}

async fn a_visitor_buys_and_downloads(size: Size) {
    let stage = Stage::open().await;
    let Some(bob) = Browser::open(&stage, size).await else { return };
    let package = package::honest();
    let listing = on_sale(&stage, &package).await;

    // An account, its address confirmed, and in again by the front door.
    bob.opens("/").await;
    bob.opens("/sign-up").await;
    bob.types("[name=display_name]", "Bob Buyer").await;
    bob.types("[name=username]", "bob").await;
    bob.types("[name=email]", "bob@example.com").await;
    bob.types("[name=password]", PASSWORD).await;
    bob.touches("[name=accept_terms]").await;
    bob.presses("Open my account").await;
    bob.arrives_at("/").await;
    stage.work().await.assert_no_failure();
    bob.opens(&stage.link_mailed_to("bob@example.com", "/verify-email?")).await;
    bob.touches("main form [type=submit]").await;
    bob.shows("confirmed").await;
    bob.touches(".site-account summary").await;
    bob.presses("Sign out").await;
    bob.shows("You are signed out.").await;
    signs_in(&bob, "bob@example.com").await;

    // Found by a word, chosen, paid for.
    bob.types(".site-search input", "hello\n").await;
    bob.arrives_at("/products").await;
    bob.presses(TITLE).await;
    bob.arrives_at(&format!("/products/{}", listing.slug)).await;
    bob.presses("Buy now").await;
    bob.arrives_at(&format!("/checkout/{}", listing.slug)).await;
    bob.presses("Continue to payment").await;
    fills_in_card(&bob, CARD).await;
    bob.presses("Pay $49.00").await;

    // The confirmation waits for the payment's own word, and turns into the receipt where it stands.
    bob.arrives_at("/checkout/success").await;
    bob.shows("Confirming your payment").await;
    bob.marks_the_page().await;
    until("the payment is confirmed", async || {
        stage.work().await.assert_no_failure();
        bob.words().await.contains("Thank you")
    })
    .await;
    bob.shows("$49.00 received").await;
    assert!(bob.is_on_the_marked_page().await, "the page was not loaded again");

    bob.presses("Download").await;
    assert_eq!(Sha256::digest(bob.downloaded().await), Sha256::digest(&package));
    bob.presses("Your library").await;
    bob.arrives_at("/library").await;
    bob.presses(TITLE).await;
    bob.shows("SHA-256").await;
    bob.opens(&format!("/products/{}", listing.slug)).await;
    bob.shows("You own this").await;
    bob.closes(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_is_said_and_the_next_one_pays() {
    let stage = Stage::open().await;
    let Some(bob) = Browser::open(&stage, Size::Phone).await else { return };
    let listing = on_sale(&stage, &package::honest()).await;
    stage.signs_up("bob").await;

    signs_in(&bob, "bob@example.com").await;
    bob.opens(&format!("/checkout/{}?licence=standard", listing.slug)).await;
    bob.presses("Continue to payment").await;
    bob.presses("Pay $49.00").await;
    bob.shows("Your card number is incomplete.").await;
    fills_in_card(&bob, DECLINED_CARD).await;
    bob.presses("Pay $49.00").await;
    bob.shows("Your card was declined.").await;
    fills_in_card(&bob, CARD).await;
    bob.presses("Pay $49.00").await;
    bob.arrives_at("/checkout/success").await;
    until("the payment is confirmed", async || {
        stage.work().await;
        bob.words().await.contains("Thank you")
    })
    .await;
    // A browser logs every answer that is an error, and a declined card is answered with one.
    bob.closes(&["402"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seller_uploads_on_a_phone_and_watches_the_checks() {
    a_seller_uploads_and_watches(Size::Phone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seller_uploads_at_a_desk_and_watches_the_checks() {
    a_seller_uploads_and_watches(Size::Desk).await;
}

async fn a_seller_uploads_and_watches(size: Size) {
    let stage = Stage::open().await;
    let Some(ada) = Browser::open(&stage, size).await else { return };
    let (seller, admin) = (stage.seller("ada").await, stage.admin("rita").await);
    let product = stage.drafts(&seller, TITLE, "49").await;
    let (files, package) = (tempfile::tempdir().expect("a folder"), package::honest());
    let file = files.path().join("starter.zip");
    std::fs::write(&file, &package).expect("the disk takes it");

    signs_in(&ada, "ada@example.com").await;
    ada.opens(&format!("/dashboard/products/{product}/edit?step=files")).await;
    ada.types("[name=changelog]", "The first one.").await;
    ada.chooses("#package_file", &file).await;

    // It went straight to storage; the page follows the checks by itself from here.
    ada.arrives_at(&format!("/dashboard/products/{product}/checks")).await;
    ada.shows("is being checked").await;
    ada.marks_the_page().await;
    stage.work().await.assert_no_failure();
    ada.shows("The package is fine.").await;
    assert!(ada.is_on_the_marked_page().await, "the page was not loaded again");
    assert_eq!(stage.text("SELECT encode(sha256, 'hex') FROM product_versions").await, hex::encode(Sha256::digest(&package)));

    // Submitted, it waits for a person, whose decision arrives in the same way.
    ada.presses("Review and submit").await;
    ada.presses("Submit for approval").await;
    ada.arrives_at(&format!("/dashboard/products/{product}/checks")).await;
    stage.work().await.assert_no_failure();
    ada.shows("A person looks at it next").await;
    ada.marks_the_page().await;
    let version = stage.text("SELECT id::text FROM product_versions").await;
    stage.approves(&admin, &version).await;
    ada.shows("is released").await;
    assert!(ada.is_on_the_marked_page().await, "the page was not loaded again");
    ada.closes(&[]).await;
}

async fn on_sale(stage: &Stage, package: &[u8]) -> Listing {
    let (seller, admin) = (stage.seller("ada").await, stage.admin("rita").await);
    stage.sells(&seller, &admin, TITLE, "49", package).await
}

async fn signs_in(browser: &Browser, email: &str) {
    browser.opens("/sign-in?next=/library").await;
    browser.types("[name=email]", email).await;
    browser.types("[name=password]", PASSWORD).await;
    browser.touches("main form [type=submit]").await;
    browser.arrives_at("/library").await;
}

async fn fills_in_card(browser: &Browser, number: &str) {
    browser.types("[data-sandbox-field=number]", number).await;
    browser.types("[data-sandbox-field=expiry]", "1234").await;
    browser.types("[data-sandbox-field=cvc]", "123").await;
}
