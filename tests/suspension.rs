//! What a suspended seller has on sale goes with them, and exactly that comes back with them: what they had paused stays
//! paused, and what is approved meanwhile waits. Buyers keep what they own.
//!
//! Proves: AUTH-04, ADMIN-02, ADMIN-07, PROD-03

use crate::support::{
    package,
    people::{CARD, PASSWORD},
    person::Person,
    stage::Stage,
};
use reqwest::{Method, StatusCode};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_suspended_seller_sells_is_not_for_sale() {
    let stage = Stage::open().await;
    let (seller, admin, buyer) = (stage.seller("ada").await, stage.admin("rita").await, stage.signs_up("bob").await);
    let package = package::honest();
    let sold = stage.sells(&seller, &admin, "Hello world starter kit", "49", &package).await;
    let paused = stage.sells(&seller, &admin, "A kit that is paused", "19", &package).await;
    seller.sends(&format!("/dashboard/products/{}/pause", paused.product), &[]).await.ok();
    let waiting = stage.drafts(&seller, "A kit that waits for approval", "29").await;
    let version = stage.uploads(&seller, &waiting, "1.0.0", &package).await;
    seller.sends(&format!("/dashboard/products/{waiting}/submit"), &[]).await.ok();
    stage.work().await.assert_no_failure();
    let (_, intent) = stage.checks_out(&buyer, &sold.slug).await;
    stage.pays(&intent, CARD).await.expect("the card is good");
    stage.work().await.assert_no_failure();

    administers(&stage, &admin, "suspend").await;
    assert_eq!(
        states(&stage).await,
        "Hello world starter kit: suspended, A kit that is paused: paused, A kit that waits for approval: pending"
    );
    stage.person().opens("/products").await.ok().hides("Hello world starter kit");
    let eve = stage.signs_up("eve").await;
    let refused = eve.sends(&format!("/checkout/{}", sold.slug), &[("licence", "standard")]).await;
    assert!(!refused.status.is_success() || !refused.path.contains("/pay"), "{} answered {}", refused.path, refused.status);
    assert_eq!(stage.count("SELECT count(*) FROM checkouts").await, 1, "nobody new can buy");

    // Buyers keep what they own.
    buyer.opens("/library").await.ok().shows("Hello world starter kit");
    let order = stage.text("SELECT id::text FROM orders").await;
    let (status, download) = buyer.calls(Method::GET, &format!("/api/orders/{order}/download"), None).await;
    assert_eq!(status, StatusCode::OK, "{download}");

    // What is approved meanwhile is released, and waits.
    stage.approves(&admin, &version).await;
    assert_eq!(
        states(&stage).await,
        "Hello world starter kit: suspended, A kit that is paused: paused, A kit that waits for approval: suspended"
    );
    stage.person().opens("/products").await.ok().hides("A kit that waits");

    // Reinstated, the seller finds everything as it was; the log tells it product by product.
    administers(&stage, &admin, "reinstate").await;
    assert_eq!(
        states(&stage).await,
        "Hello world starter kit: active, A kit that is paused: paused, A kit that waits for approval: active"
    );
    stage
        .person()
        .opens("/products")
        .await
        .ok()
        .shows("Hello world starter kit")
        .shows("A kit that waits")
        .hides("A kit that is paused");
    seller.signs_in("ada@example.com", PASSWORD).await;
    seller.sends(&format!("/dashboard/products/{}/resume", paused.product), &[]).await.ok();
    assert_eq!(
        stage
            .text(&format!(
                "SELECT string_agg(l.action || ' by ' || u.username || ' ' || (l.before ->> 'state') || '>' || (l.after ->> 'state'), ', ' ORDER BY l.id)
                 FROM audit_log l JOIN users u ON u.id = l.actor_id WHERE l.subject_id = '{}' AND l.action LIKE '%with_seller'",
                sold.product
            ))
            .await,
        "product.suspend_with_seller by rita active>suspended, product.reinstate_with_seller by rita suspended>active"
    );
    assert_eq!(
        stage.text("SELECT string_agg(coalesce(after ->> 'products_withheld', after ->> 'products_restored'), ' ' ORDER BY id) FROM audit_log WHERE subject_kind = 'user' AND action IN ('user.suspend', 'user.reinstate')").await,
        "1 2"
    );
}

async fn administers(stage: &Stage, admin: &Person, deed: &str) {
    let ada = stage.text("SELECT id::text FROM users WHERE username = 'ada'").await;
    admin.sends(&format!("/admin/users/{ada}/{deed}"), &[("reason", "The story wants it so.")]).await.ok();
}

async fn states(stage: &Stage) -> String {
    stage.text("SELECT string_agg(title || ': ' || state, ', ' ORDER BY id) FROM products").await
}
