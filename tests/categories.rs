//! The shelves (PROD-09): every installation starts with the standard ones; an admin adds, renames, describes, moves and removes
//! them on the page or by the API, each act in the audit log; addresses stay, and what holds something stays too.
//!
//! Proves: PROD-09, ADMIN-07

use crate::support::{people::text, person::Person, stage::Stage};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_starts_with_the_standard_categories() {
    let stage = Stage::open().await;
    let (status, list) = stage.person().calls(Method::GET, "/api/marketplace/categories", None).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    let all = list["data"].as_array().unwrap();
    for slug in ["saas-starters", "api-services", "automation", "mobile-apps", "full-applications", "components"] {
        let main = all.iter().find(|c| c["slug"] == slug).unwrap_or_else(|| panic!("no {slug} in {list}"));
        assert_eq!(main["kind"], "code");
        assert!(all.iter().any(|c| c["parent"] == slug), "{slug} has subcategories");
    }
    assert!(all.iter().any(|c| c["kind"] == "prompt"), "prompts have categories of their own");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_arranges_the_shelves() {
    let stage = Stage::open().await;
    let admin = stage.admin("rita").await;

    // A new one, on the page; its address is made from its name.
    let fields = [("name", "Desktop apps"), ("slug", ""), ("description", "For a desk."), ("parent", ""), ("kind", "code")];
    admin.sends("/admin/categories", &fields).await.ok().shows("Desktop apps").shows("The category is there.");
    let desktop = id_of(&stage, "desktop-apps").await;

    // The same address again is refused beside the field, and what was typed is kept.
    let again = admin.sends("/admin/categories", &[("name", "Desktop  apps"), ("description", "Once more")]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    again.shows("Another category has this address").shows("Once more");

    // Renamed and hung below another one; its address stays.
    let tools = id_of(&stage, "internal-tools").await;
    let full = id_of(&stage, "full-applications").await;
    let edit = [("name", "Desktop"), ("description", "For a desk."), ("parent", full.as_str())];
    admin.sends(&format!("/admin/categories/{desktop}"), &edit).await.ok().shows("The category is changed.");
    assert_eq!(
        siblings(&stage, "full-applications").await,
        "business-applications commerce-applications internal-tools community-applications desktop-apps"
    );
    assert_eq!(
        stage.text("SELECT name || ' ' || slug FROM categories WHERE slug = 'desktop-apps'").await,
        "Desktop desktop-apps"
    );

    // One place up, twice; then at the page's other end nothing happens.
    for _ in 0..2 {
        admin.sends(&format!("/admin/categories/{desktop}/move"), &[("direction", "up")]).await.ok();
    }
    admin
        .sends(&format!("/admin/categories/{}/move", id_of(&stage, "business-applications").await), &[("direction", "up")])
        .await
        .ok();
    assert_eq!(
        siblings(&stage, "full-applications").await,
        "business-applications commerce-applications desktop-apps internal-tools community-applications"
    );

    // Never below itself, never with another kind, never a fourth level.
    let prompts = id_of(&stage, "coding-prompts").await;
    let (status, problem) = put(&admin, &full, json!({ "name": "Full applications", "parent": tools })).await;
    assert_eq!((status, detail(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "A category cannot hang below itself.".into()));
    let (_, problem) = put(&admin, &desktop, json!({ "name": "Desktop", "parent": prompts })).await;
    assert_eq!(detail(&problem), "It holds another kind of product than that category.");
    let (status, small) = post(&admin, json!({ "name": "Small desks", "parent": desktop })).await;
    assert_eq!((status, &small["depth"], &small["kind"]), (StatusCode::CREATED, &json!(2), &json!("code")), "{small}");
    let (status, _) = post(&admin, json!({ "name": "Tiny desks", "parent": small["id"] })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);

    // What has something below it stays; empty it goes, and the audit log has all of it.
    let path = |id: &str| format!("/api/admin/categories/{id}");
    let (status, _) = admin.calls(Method::DELETE, &path(&desktop), None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    admin
        .opens(&format!("/admin/categories/{desktop}"))
        .await
        .ok()
        .shows("It can be removed when it is empty.")
        .shows("category.change");
    let (status, _) = admin.calls(Method::DELETE, &path(&text(&small, "id")), None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    admin.sends(&format!("/admin/categories/{desktop}/remove"), &[]).await.ok().shows("The category is gone.");
    assert_eq!(
        stage.text("SELECT string_agg(action, ' ' ORDER BY id) FROM audit_log WHERE subject_kind = 'category'").await,
        "category.add category.change category.move category.move category.add category.remove category.remove"
    );

    // Nobody else does any of it.
    let bob = stage.signs_up("bob").await;
    assert_eq!(bob.sends(&format!("/admin/categories/{tools}/remove"), &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(&bob, json!({ "name": "Bobs" })).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shelf_with_a_product_stays_until_the_product_is_gone() {
    let stage = Stage::open().await;
    let (admin, seller) = (stage.admin("rita").await, stage.seller("ada").await);
    let product = stage.drafts(&seller, "Hello world starter kit", "49").await;
    stage.count("WITH gone AS (DELETE FROM categories WHERE parent_id = (SELECT id FROM categories WHERE slug = 'automation') RETURNING 1) SELECT count(*) FROM gone").await;
    let automation = id_of(&stage, "automation").await;

    let page = admin.sends(&format!("/admin/categories/{automation}/remove"), &[]).await.ok();
    page.shows("There are products in “Automation”.");

    // A product that its seller has deleted is no reason to keep it.
    seller.sends(&format!("/dashboard/products/{product}/delete"), &[]).await.ok();
    admin.sends(&format!("/admin/categories/{automation}/remove"), &[]).await.ok().shows("The category is gone.");
    assert_eq!(stage.count("SELECT count(*) FROM categories WHERE slug = 'automation'").await, 0);
}

async fn id_of(stage: &Stage, slug: &str) -> String {
    stage.text(&format!("SELECT id::text FROM categories WHERE slug = '{slug}'")).await
}

/// What hangs below, in its order.
async fn siblings(stage: &Stage, slug: &str) -> String {
    stage
        .text(&format!(
            "SELECT string_agg(c.slug, ' ' ORDER BY c.position) FROM categories c JOIN categories p ON p.id = c.parent_id WHERE p.slug = '{slug}'"
        ))
        .await
}

async fn post(person: &Person, body: Value) -> (StatusCode, Value) {
    person.calls(Method::POST, "/api/admin/categories", Some(&body)).await
}

async fn put(person: &Person, id: &str, body: Value) -> (StatusCode, Value) {
    person.calls(Method::PUT, &format!("/api/admin/categories/{id}"), Some(&body)).await
}

/// What stands beside the first field that is wrong.
#[track_caller]
fn detail(problem: &Value) -> String {
    problem["errors"][0]["detail"].as_str().unwrap_or_else(|| panic!("no field is wrong in {problem}")).to_owned()
}
