//! A product's way to the shelf: the wizard with everything that can be typed wrong, a package straight to storage, its checks,
//! a person's decision, the next version; and the packages, pictures and people that are turned away.
//!
//! Proves: PROD-01, PROD-02 (code), PROD-03, PROD-04, PROD-05, PROD-07, PROD-08, PROD-10, PROD-11, PROD-16, SCAN-01
//! Proves: SCAN-02, SCAN-03, ADMIN-01, SEC-03

use crate::support::{person::Person, stage::Stage};
use chrono::Duration;
use mywork::{
    catalog::jobs::{QuarantinePackage, ReleaseVersion, ScanPackage, ValidatePackage},
    ids::VersionId,
};
use mywork_queue::{Job, testing};
use mywork_sandbox::faults::{Fault, Service};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Executor;
use std::io::{Cursor, Write};

const DESCRIPTION: &str = "A complete starter for a service with accounts, teams, billing and an administration area. It comes with \
                           tests, migrations and a deployment guide.";

async fn shelve(stage: &Stage) {
    stage
        .text("INSERT INTO categories (id, kind, slug, name) VALUES (gen_random_uuid(), 'code', 'starters', 'Starters') RETURNING slug")
        .await;
}

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        archive.start_file(*path, zip::write::SimpleFileOptions::default()).expect("an entry");
        archive.write_all(text.as_bytes()).expect("its content");
    }
    archive.finish().expect("an archive").into_inner()
}

/// A package nobody has anything to say against.
fn sound(version: &str) -> Vec<u8> {
    zip(&[
        ("README.md", "# Starter\n\nRun `npm install` and then `npm start`. The administration is under /admin.\n"),
        ("LICENSE", "MIT License\n\nCopyright (c) 2026\n\nPermission is hereby granted, free of charge, to any person.\n"),
        ("package.json", &format!(r#"{{"name": "starter", "version": "{version}", "dependencies": {{"express": "5.1.0"}}}}"#)),
        ("src/index.js", "export const start = () => console.log(\"started\");\n"),
    ])
}

/// A picture without content.
fn picture() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(1_600, 1_000).write_to(&mut bytes, image::ImageFormat::Png).expect("a picture");
    bytes.into_inner()
}

/// A draft that lacks nothing but its package, written by the API.
async fn draft(ada: &Person, title: &str) -> String {
    let input = json!({
        "title": title,
        "description": DESCRIPTION,
        "category": "starters",
        "tech_stack": ["Node.js"],
        "licences": [{"licence": "standard", "price_cents": 4900}],
    });
    let (status, product) = ada.calls(Method::POST, "/api/products", Some(&input)).await;
    assert_eq!(status, StatusCode::CREATED, "{product}");
    assert_eq!(product["missing"][0]["detail"], "Upload the package.");
    text(&product["id"])
}

/// Sends a file the way the page's script does; what the end of it was answered with.
async fn upload(ada: &Person, product: &str, purpose: &str, name: &str, bytes: &[u8], version: Value) -> (StatusCode, Value) {
    let input = json!({"product": product, "purpose": purpose, "file_name": name, "size_bytes": bytes.len()});
    let (status, begun) = ada.calls(Method::POST, "/api/uploads", Some(&input)).await;
    assert_eq!(status, StatusCode::CREATED, "{begun}");
    put(&text(&begun["put_url"]), &text(&begun["content_type"]), bytes).await;
    let end = format!("/api/uploads/{}/complete", text(&begun["id"]));
    ada.calls(Method::POST, &end, Some(&version)).await
}

async fn package(ada: &Person, product: &str, number: &str, bytes: &[u8]) -> String {
    let version = json!({"version": {"number": number, "changelog": "Better."}});
    let (status, completed) = upload(ada, product, "package", "starter.zip", bytes, version).await;
    assert_eq!(status, StatusCode::OK, "{completed}");
    text(&completed["version"]["id"])
}

async fn put(url: &str, content_type: &str, bytes: &[u8]) -> reqwest::Response {
    let mut request = reqwest::Client::new().put(url).body(bytes.to_vec());
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    request.send().await.expect("the storage answers")
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn subjects(stage: &Stage, address: &str) -> Vec<String> {
    stage.sandbox.outbox().to(address).into_iter().map(|mail| mail.subject).collect()
}

async fn states(stage: &Stage) -> String {
    stage.text("SELECT (SELECT string_agg(state, ' ') FROM products) || ' / ' || (SELECT string_agg(state, ' ' ORDER BY created_at) FROM product_versions)").await
}

#[tokio::test]
async fn from_the_first_word_to_the_shelf() {
    let stage = Stage::open().await;
    shelve(&stage).await;
    let ada = stage.seller("ada").await;
    let rosa = stage.admin("rosa").await;

    ada.opens("/dashboard").await.ok().shows("Getting started");
    ada.opens("/dashboard/products").await.ok().shows("Nothing here yet");
    let page = ada.sends("/dashboard/products/new", &[("title", "Short"), ("short_description", "Kept <b>")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.shows("Give it at least 10 characters.").text.contains("Kept &lt;b&gt;"), "what was typed stays");
    let basics = [("title", "Service starter with billing"), ("category", "starters")];
    let page = ada.sends("/dashboard/products/new", &basics).await.ok().shows("Your draft is saved");
    let id = page.path.split('/').nth(3).expect("an id").to_owned();
    let edit = |step: &str| format!("/dashboard/products/{id}/edit?step={step}");

    let page = ada.sends(&edit("details"), &[("description", "Too short."), ("tech_stack", "Node.js, Express")]).await;
    assert!(page.shows("Write at least 100 characters; these are 10.").text.contains("Node.js, Express"), "what was typed stays");
    let details = [
        ("description", DESCRIPTION),
        ("tech_stack", "Node.js, Express"),
        ("tags", "SaaS, #billing"),
        ("demo_url", "https://demo.example.com"),
    ];
    ada.sends(&edit("details"), &details).await.ok().shows("Package");
    ada.opens(&edit("files")).await.ok().shows("Pictures");
    let page = ada.sends(&edit("pricing"), &[("standard_offered", "on"), ("standard_price", "forty")]).await;
    assert!(page.shows("Write an amount in dollars, like 49 or 49.00.").text.contains("forty"), "what was typed stays");
    let pricing =
        [("standard_offered", "on"), ("standard_price", "49"), ("extended_offered", "on"), ("extended_price", "$199.00")];
    ada.sends(&edit("pricing"), &pricing).await.ok().shows("One thing is missing").shows("Upload the package.");
    ada.sends(&format!("/dashboard/products/{id}/submit"), &[]).await.ok().shows("Something is still missing");

    let package_bytes = sound("1.0.0");
    let version = package(&ada, &id, "1.0.0", &package_bytes).await;
    let (status, completed) = upload(&ada, &id, "image", "shot.png", &picture(), json!({})).await;
    assert_eq!(status, StatusCode::OK, "{completed}");
    let checks = format!("/dashboard/products/{id}/checks");
    ada.opens(&checks).await.ok().shows("Version 1.0.0 is being checked");
    stage.work().await.assert_no_failure();
    ada.opens(&checks).await.ok().shows("The package is fine.").shows("Submit the product and a person will look at it.");
    assert_eq!(states(&stage).await, "draft / checked");
    ada.opens(&edit("review")).await.ok().shows("Submit for approval");
    ada.sends(&format!("/dashboard/products/{id}/submit"), &[]).await.ok().shows("Submitted.");
    assert_eq!(states(&stage).await, "pending / checked");

    rosa.opens("/admin/approvals").await.ok().shows("Service starter with billing").shows("@ada").shows("First version");
    let case = format!("/admin/approvals/{version}");
    let page = rosa.opens(&case).await.ok().shows("src/index.js").shows("express").shows("A complete starter");
    let seen = page.between("name=\"seen\" value=\"", "\"").replace("&#x3a;", ":").replace("&#x2b;", "+");
    stage.later(Duration::seconds(20));
    ada.sends(&edit("basics"), &[("title", "Service starter with billing and teams"), ("category", "starters")]).await.ok();
    rosa.sends(&format!("{case}/approve"), &[("seen", &seen)]).await.ok().shows("The seller changed the listing");
    let seen = rosa.opens(&case).await.between("name=\"seen\" value=\"", "\"").replace("&#x3a;", ":").replace("&#x2b;", "+");
    rosa.sends(&format!("{case}/approve"), &[("seen", &seen)]).await.ok().shows("Approved.").shows("Nothing waits for you");
    rosa.sends(&format!("{case}/approve"), &[("seen", &seen)]).await.shows("somebody was first");
    stage.work().await.assert_no_failure();

    assert_eq!(states(&stage).await, "active / released");
    ada.opens(&checks).await.ok().shows("Version 1.0.0 is released");
    assert_eq!(subjects(&stage, "ada@example.com")[0], "Service starter with billing and teams is on sale");
    let facts = "SELECT price_cents || ' ' || slug || ' ' || array_to_string(tags, ',') FROM products";
    assert_eq!(stage.text(facts).await, "4900 service-starter-with-billing-and-teams saas,billing");
    let trail = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_log WHERE subject_kind = 'product'";
    assert_eq!(stage.text(trail).await, "product.create product.price product.submit product.approve product.publish");
    let sum = stage.text("SELECT encode(sha256, 'hex') FROM product_versions").await;
    let key = stage.text("SELECT object_key FROM product_versions").await;
    let stored = stage.services.storage.get_bytes(&key, 1 << 20).await.expect("the copy is there");
    assert_eq!(stored.as_ref(), package_bytes.as_slice(), "what is sold is what was sent");
    assert_eq!(sum, stage.text(&format!("SELECT encode(sha256(decode('{}', 'hex')), 'hex')", hex::encode(&stored))).await);
    assert_eq!(stage.count("SELECT count(*) FROM version_checks WHERE state = 'passed'").await, 5);
    assert_eq!(stage.count("SELECT jsonb_array_length(variants)::bigint FROM product_images WHERE state = 'ready'").await, 3);
    for key in ["SELECT key FROM uploads WHERE purpose = 'package'", "SELECT key FROM uploads WHERE purpose = 'image'"] {
        let original = stage.services.storage.head(&stage.text(key).await).await.expect("the storage answers");
        assert_eq!(original, None, "nothing is left in quarantine");
    }
    assert!(stage.work().await.runs.is_empty(), "no job is left");
}

#[tokio::test]
async fn the_next_version_reaches_those_who_own_the_product() {
    let stage = Stage::open().await;
    shelve(&stage).await;
    let ada = stage.seller("ada").await;
    let rosa = stage.admin("rosa").await;
    stage.signs_up("grace").await;
    let id = draft(&ada, "Service starter with billing").await;
    publish(&stage, &ada, &rosa, &id, "1.0.0").await;

    // Grace bought it, a day ago.
    stage
        .text(
            "WITH checkout AS (
               INSERT INTO checkouts (id, buyer_id, state, total_cents, processor_fee_cents, created_at, expires_at)
               SELECT gen_random_uuid(), user_id, 'paid', 4900, 172, now(), now() FROM accounts WHERE email = 'grace@example.com'
               RETURNING id, buyer_id
             ), sold AS (
               INSERT INTO orders (id, number, checkout_id, buyer_id, seller_id, product_id, version_id, product_title, licence, state,
                                   amount_cents, commission_schedule, commission_bps, platform_fee_cents, seller_cents,
                                   processor_fee_cents, created_at)
               SELECT gen_random_uuid(), 'MW-2026-00001', c.id, c.buyer_id, p.seller_id, p.id, p.current_version_id, p.title,
                      'standard', 'fulfilled', 4900, 1, 1000, 490, 4410, 172, now()
               FROM checkout c, products p
               RETURNING id, buyer_id, product_id
             )
             INSERT INTO licences (id, order_id, owner_id, product_id, licence, key, max_downloads, created_at)
             SELECT gen_random_uuid(), id, buyer_id, product_id, 'standard', 'MW-A', 10, now() - interval '1 day' FROM sold
             RETURNING key",
        )
        .await;

    let number = json!({"product": id, "purpose": "package", "file_name": "a.zip", "size_bytes": 10, "number": "1.0.0"});
    let (status, problem) = ada.calls(Method::POST, "/api/uploads", Some(&number)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["detail"], "Version 1.0.0 is already released; choose a higher number, like 1.0.1.");
    publish(&stage, &ada, &rosa, &id, "1.1.0").await;
    assert_eq!(states(&stage).await, "active / released released");
    assert_eq!(stage.text("SELECT number FROM product_versions v JOIN products p ON p.current_version_id = v.id").await, "1.1.0");
    assert_eq!(subjects(&stage, "grace@example.com")[0], "Service starter with billing 1.1.0 is out");
    assert_eq!(subjects(&stage, "ada@example.com")[0], "Version 1.1.0 of Service starter with billing is released");

    // An old address leads to the new one; nobody else gets it.
    let rename = json!({"title": "Service starter, second edition", "change_slug": true});
    let (status, renamed) = ada.calls(Method::PUT, &format!("/api/products/{id}"), Some(&rename)).await;
    assert_eq!((status, renamed["slug"].as_str()), (StatusCode::OK, Some("service-starter-second-edition")));
    let page = stage.person().opens("/products/service-starter-with-billing").await.ok();
    assert_eq!(page.path, "/products/service-starter-second-edition");
    draft(&ada, "Service starter with billing").await;
    assert_eq!(stage.count("SELECT count(*) FROM products WHERE slug = 'service-starter-with-billing-2'").await, 1);

    ada.sends(&format!("/dashboard/products/{id}/pause"), &[]).await.ok().shows("Paused. Nobody can buy it");
    ada.sends(&format!("/dashboard/products/{id}/resume"), &[]).await.ok().shows("On sale again.");
    assert_eq!(ada.calls(Method::DELETE, &format!("/api/products/{id}"), None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(stage.person().opens("/products/service-starter-second-edition").await.status, StatusCode::NOT_FOUND);
    assert_eq!(stage.count("SELECT count(*) FROM licences WHERE state = 'active'").await, 1, "what was bought stays bought");
}

/// Uploads, checks, submits where that is needed, approves and releases.
async fn publish(stage: &Stage, ada: &Person, rosa: &Person, id: &str, number: &str) {
    let version = package(ada, id, number, &sound(number)).await;
    stage.work().await.assert_no_failure();
    if stage.text(&format!("SELECT state FROM products WHERE id = '{id}'")).await == "draft" {
        let (status, problem) = ada.calls(Method::POST, &format!("/api/products/{id}/publish"), None).await;
        assert_eq!(status, StatusCode::OK, "{problem}");
    }
    let (status, problem) = rosa.calls(Method::POST, &format!("/api/admin/approvals/{version}/approve"), Some(&json!({}))).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{problem}");
    stage.work().await.assert_no_failure();
}

#[tokio::test]
async fn a_package_at_fault_is_told_why_and_the_mended_one_takes_its_number() {
    let stage = Stage::open().await;
    shelve(&stage).await;
    let ada = stage.seller("ada").await;
    let id = draft(&ada, "Service starter with billing").await;

    let key = "AKIAQ3EGR7ZPL5XKT2WN";
    let leaky = zip(&[
        ("README.md", "# Starter\n\nRun it with `npm start` after `npm install`; see the wiki for more.\n"),
        ("LICENSE", "MIT License\n\nPermission is hereby granted, free of charge, to any person.\n"),
        ("package.json", r#"{"name": "starter", "version": "1.0.0"}"#),
        (
            "config/prod.env",
            &format!("AWS_ACCESS_KEY_ID={key}\nAWS_SECRET_ACCESS_KEY=h7Kq0Zr5vB2nT9xW4mJ8cL1pF6sD3gY0aE5uR7iO\n"),
        ),
    ]);
    package(&ada, &id, "1.0.0", &leaky).await;
    assert_eq!(ada.calls(Method::POST, &format!("/api/products/{id}/publish"), None).await.0, StatusCode::OK);
    stage.work().await.assert_no_failure();
    assert_eq!(states(&stage).await, "rejected / rejected");
    let page = ada.opens(&format!("/dashboard/products/{id}/checks")).await.ok();
    let page = page.shows("Version 1.0.0 cannot be sold as it is.").shows("config/prod.env").shows("What to do:");
    assert!(!page.text.contains(key), "a leaked key is not shown again");
    assert_eq!(subjects(&stage, "ada@example.com")[0], "Service starter with billing 1.0.0 did not pass its checks");
    let (status, problem) = ada.calls(Method::POST, &format!("/api/products/{id}/publish"), None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"][0]["detail"], "Version 1.0.0 was refused; upload a mended package.");

    // Files that climb out of their folder.
    package(&ada, &id, "1.0.0", &zip(&[("README.md", "# x"), ("../../etc/passwd", "root")])).await;
    stage.work().await.assert_no_failure();
    ada.opens(&format!("/dashboard/products/{id}/checks")).await.ok().shows("points outside the archive");

    // Not an archive at all, whatever its name says.
    package(&ada, &id, "1.0.0", b"MZ this is no archive").await;
    stage.work().await.assert_no_failure();
    ada.opens(&format!("/dashboard/products/{id}/checks")).await.ok().shows("not a zip or tar.gz archive");

    package(&ada, &id, "1.0.0", &sound("1.0.0")).await;
    assert_eq!(ada.calls(Method::POST, &format!("/api/products/{id}/publish"), None).await.0, StatusCode::OK);
    stage.work().await.assert_no_failure();
    assert_eq!(states(&stage).await, "pending / rejected rejected rejected checked");
    assert_eq!(stage.count("SELECT count(*) FROM version_checks WHERE step = 'approval' AND state = 'running'").await, 1);
    assert!(stage.work().await.runs.is_empty(), "no job is left");
}

#[tokio::test]
async fn an_upload_address_cannot_replace_what_was_checked() {
    let stage = Stage::open().await;
    shelve(&stage).await;
    let ada = stage.seller("ada").await;
    let id = draft(&ada, "Service starter with billing").await;
    let bytes = sound("1.0.0");
    let input = json!({"product": id, "purpose": "package", "file_name": "a.zip", "size_bytes": bytes.len()});
    let (_, begun) = ada.calls(Method::POST, "/api/uploads", Some(&input)).await;
    let (url, kind) = (text(&begun["put_url"]), text(&begun["content_type"]));
    let refused = put(&url, &kind, b"another length").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN, "the address is for this length only");
    let end = format!("/api/uploads/{}/complete", text(&begun["id"]));
    let version = json!({"version": {"number": "1.0.0"}});
    let (status, problem) = ada.calls(Method::POST, &end, Some(&version)).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(put(&url, &kind, &bytes).await.status().is_success());
    let (_, first) = ada.calls(Method::POST, &end, Some(&version)).await;
    let (_, again) = ada.calls(Method::POST, &end, Some(&version)).await;
    assert_eq!(first["version"]["id"], again["version"]["id"], "declared twice, made once");
    stage.work().await.assert_no_failure();

    let other = vec![b'x'; bytes.len()];
    assert!(put(&url, &kind, &other).await.status().is_success(), "the address still works");
    let key = stage.text("SELECT object_key FROM product_versions").await;
    let stored = stage.services.storage.get_bytes(&key, 1 << 20).await.expect("the copy is there");
    assert_eq!(stored.as_ref(), bytes.as_slice(), "and reaches nothing that counts");
}

#[tokio::test]
async fn a_large_file_comes_in_parts_and_is_continued() {
    let stage = Stage::open().await;
    shelve(&stage).await;
    let ada = stage.seller("ada").await;
    let id = draft(&ada, "Service starter with billing").await;
    const MB: usize = 1 << 20;
    let size = 65 * MB + 3;
    let input = json!({"product": id, "purpose": "package", "file_name": "large.tar.gz", "size_bytes": size});
    let (_, begun) = ada.calls(Method::POST, "/api/uploads", Some(&input)).await;
    let upload = format!("/api/uploads/{}", text(&begun["id"]));
    assert_eq!((begun["part_count"].as_u64(), begun["put_url"].is_null()), (Some(5), true));
    let parts = format!("{upload}/parts");
    let (_, signed) = ada.calls(Method::POST, &parts, Some(&json!({"numbers": [1, 5]}))).await;
    let first = text(&signed["parts"][0]["url"]);
    assert_eq!(put(&first, "", &vec![7; 17 * MB]).await.status(), StatusCode::FORBIDDEN, "an address is for its length only");
    for part in signed["parts"].as_array().expect("parts") {
        let length = usize::try_from(part["size"].as_u64().expect("a size")).expect("it fits");
        assert!(put(&text(&part["url"]), "", &vec![7; length]).await.status().is_success());
    }
    let (status, problem) = ada.calls(Method::POST, &format!("{upload}/complete"), Some(&json!({}))).await;
    assert_eq!(
        (status, problem["detail"].as_str()),
        (StatusCode::CONFLICT, Some("Still missing: part 2, 3, 4. Send it, then declare the file complete."))
    );

    let (_, continued) = ada.calls(Method::GET, &upload, None).await;
    let arrived: Vec<_> = continued["parts"].as_array().expect("parts").iter().map(|part| part["number"].as_u64()).collect();
    assert_eq!(arrived, [Some(1), Some(5)]);
    let (_, signed) = ada.calls(Method::POST, &parts, Some(&json!({"numbers": [2, 3, 4]}))).await;
    for part in signed["parts"].as_array().expect("parts") {
        assert!(put(&text(&part["url"]), "", &vec![7; 16 * MB]).await.status().is_success());
    }
    let version = json!({"version": {"number": "1.0.0"}});
    let (status, completed) = ada.calls(Method::POST, &format!("{upload}/complete"), Some(&version)).await;
    assert_eq!(status, StatusCode::OK, "{completed}");

    // Another one is given up half way: nothing of it stays.
    let (_, begun) = ada.calls(Method::POST, "/api/uploads", Some(&input)).await;
    ada.opens(&format!("/dashboard/products/{id}/edit?step=files")).await.ok().shows("Unfinished uploads");
    let upload = format!("/api/uploads/{}", text(&begun["id"]));
    assert_eq!(ada.calls(Method::DELETE, &upload, None).await.0, StatusCode::NO_CONTENT);
    let done = stage.work().await;
    assert_eq!(done.assert_no_failure().count("catalog.discard_objects", "done"), 1);
}

#[tokio::test]
async fn pictures_are_judged_by_what_is_in_them() {
    let stage = Stage::open().await;
    shelve(&stage).await;
    let ada = stage.seller("ada").await;
    let id = draft(&ada, "Service starter with billing").await;
    upload(&ada, &id, "image", "shot.png", &picture(), json!({})).await;
    upload(&ada, &id, "image", "evil.png", b"<svg onload=alert(1)>", json!({})).await;
    stage.work().await.assert_no_failure();
    let page = ada.opens(&format!("/dashboard/products/{id}/edit?step=files")).await.ok();
    page.shows("This is not a PNG, JPEG or WebP picture").shows("This one is shown in lists.");
    let (_, product) = ada.calls(Method::GET, &format!("/api/seller/products/{id}"), None).await;
    let sizes: Vec<_> = product["images"][0]["variants"]
        .as_array()
        .expect("variants")
        .iter()
        .map(|variant| (text(&variant["name"]), variant["width"].as_u64(), variant["height"].as_u64()))
        .collect();
    let expected = [("thumb", 160, 100), ("card", 640, 400), ("full", 1_280, 800)];
    assert_eq!(sizes, expected.map(|(name, width, height)| (name.to_owned(), Some(width), Some(height))));
    let image = format!("/api/products/{id}/images/{}", text(&product["images"][0]["id"]));
    assert_eq!(ada.calls(Method::DELETE, &image, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(stage.work().await.assert_no_failure().count("catalog.discard_objects", "done"), 1);

    // Killed when it has judged and not yet written it down: the next one finds the picture, and the reason.
    let refuse = "ALTER TABLE product_images ADD CONSTRAINT busy CHECK (state <> 'rejected') NOT VALID";
    upload(&ada, &id, "image", "evil.png", b"<svg onload=alert(2)>", json!({})).await;
    stage.look().await.execute(refuse).await.expect("it is busy");
    assert_eq!(stage.work().await.count("catalog.process_images", "retried"), 1);
    stage.look().await.execute("ALTER TABLE product_images DROP CONSTRAINT busy").await.expect("no longer");
    stage.later(Duration::minutes(1));
    stage.work().await.assert_no_failure();
    let gone = "SELECT count(*) FROM product_images WHERE error = 'The uploaded file is no longer there.'";
    assert_eq!(stage.count(gone).await, 0);

    // The storage is away until the last attempt: the picture is not on its way for ever.
    upload(&ada, &id, "image", "late.png", &picture(), json!({})).await;
    stage.look().await.execute("UPDATE queue.jobs SET max_attempts = 1").await.expect("one attempt");
    stage.sandbox.faults().set(Service::S3, Fault { fail_next: 1_000, ..Fault::default() });
    stage.work().await;
    stage.sandbox.faults().clear();
    assert_eq!(stage.count("SELECT count(*) FROM product_images WHERE state = 'received'").await, 0);
    let page = ada.opens(&format!("/dashboard/products/{id}/edit?step=files")).await.ok();
    page.shows("We could not process this picture, and the fault may be ours.");

    let wrong = json!({"product": id, "purpose": "image", "file_name": "shot.gif", "size_bytes": 11 << 20});
    let (status, problem) = ada.calls(Method::POST, "/api/uploads", Some(&wrong)).await;
    assert_eq!((status, problem["errors"].as_array().map(Vec::len)), (StatusCode::UNPROCESSABLE_ENTITY, Some(2)));
}

#[tokio::test]
async fn an_admin_sends_back_and_rejects_and_nobody_judges_their_own() {
    let stage = Stage::open().await;
    shelve(&stage).await;
    let ada = stage.seller("ada").await;
    let rosa = stage.admin("rosa").await;
    let id = draft(&ada, "Service starter with billing").await;
    let version = package(&ada, &id, "1.0.0", &sound("1.0.0")).await;
    stage.work().await.assert_no_failure();
    assert_eq!(rosa.calls(Method::GET, "/api/admin/approvals", None).await.1["data"], json!([]), "not before it is handed in");
    let hand_in = format!("/api/products/{id}/publish");
    assert_eq!(ada.calls(Method::POST, &hand_in, None).await.0, StatusCode::OK);
    assert_eq!(ada.calls(Method::GET, "/api/admin/approvals", None).await.0, StatusCode::FORBIDDEN);

    let case = format!("/admin/approvals/{version}");
    let page = rosa.sends(&format!("{case}/request-changes"), &[("reason", "no")]).await;
    page.shows("Tell the seller why, in at least 10 characters.");
    let why = "The description promises tests; there are none.";
    rosa.sends(&format!("{case}/request-changes"), &[("reason", why)]).await.ok().shows("Sent back.");
    let done = stage.work().await;
    assert_eq!(done.assert_no_failure().count("catalog.validate_package", "done"), 0);
    assert_eq!(states(&stage).await, "draft / checked");
    ada.opens(&format!("/dashboard/products/{id}/edit")).await.ok().shows("Changes were asked for.").shows(why);
    assert_eq!(subjects(&stage, "ada@example.com")[0], "Changes are asked for in Service starter with billing");

    assert_eq!(ada.calls(Method::POST, &hand_in, None).await.0, StatusCode::OK);
    assert!(stage.work().await.runs.is_empty(), "the same package is not checked again");
    rosa.sends(&format!("{case}/reject"), &[("reason", "It is a copy of somebody else's work.")]).await.ok().shows("Rejected.");
    stage.work().await.assert_no_failure();
    assert_eq!(states(&stage).await, "rejected / rejected");
    assert_eq!(subjects(&stage, "ada@example.com")[0], "Service starter with billing was not approved");

    // An admin who sells needs another admin.
    rosa.sends("/become-seller", &[("headline", "Roses"), ("accept_terms", "on")]).await.ok();
    let own = draft(&rosa, "An admin's own product").await;
    let version = package(&rosa, &own, "1.0.0", &sound("1.0.0")).await;
    stage.work().await.assert_no_failure();
    rosa.calls(Method::POST, &format!("/api/products/{own}/publish"), None).await;
    let (status, _) = rosa.calls(Method::POST, &format!("/api/admin/approvals/{version}/approve"), Some(&json!({}))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn every_step_may_run_twice_and_two_admins_take_turns() {
    let stage = Stage::open().await;
    shelve(&stage).await;
    let ada = stage.seller("ada").await;
    let (rosa, ruth) = (stage.admin("rosa").await, stage.admin("ruth").await);
    let id = draft(&ada, "Service starter with billing").await;
    let version = package(&ada, &id, "1.0.0", &sound("1.0.0")).await;
    assert_eq!(ada.calls(Method::POST, &format!("/api/products/{id}/publish"), None).await.0, StatusCode::OK);
    stage.work().await.assert_no_failure();

    let case = format!("/api/admin/approvals/{version}");
    let (plain, why) = (json!({}), json!({"reason": "It is a copy of somebody else's work."}));
    let (approve, reject) = (format!("{case}/approve"), format!("{case}/reject"));
    let (yes, no) = tokio::join!(rosa.calls(Method::POST, &approve, Some(&plain)), ruth.calls(Method::POST, &reject, Some(&why)));
    let mut answers = [yes.0, no.0];
    answers.sort();
    assert_eq!(answers, [StatusCode::NO_CONTENT, StatusCode::CONFLICT]);
    stage.work().await.assert_no_failure();

    let before = census(&stage).await;
    let version: VersionId = version.parse().expect("an id");
    again(&stage, &QuarantinePackage { version }).await;
    again(&stage, &ValidatePackage { version }).await;
    again(&stage, &ScanPackage { version }).await;
    again(&stage, &ReleaseVersion { version }).await;
    assert!(stage.work().await.runs.is_empty(), "nothing follows from it");
    assert_eq!(census(&stage).await, before);
}

async fn again<J: Job>(stage: &Stage, job: &J) {
    let registry = mywork_jobs::registry();
    testing::perform(&registry, stage.services.clone(), stage.clock.clone(), job).await.expect("it runs again");
}

/// Everything that a second run could double.
async fn census(stage: &Stage) -> String {
    stage
        .text(
            "SELECT concat_ws(' ',
               (SELECT count(*) FROM findings), (SELECT count(*) FROM emails), (SELECT count(*) FROM audit_log),
               (SELECT string_agg(state, ',') FROM products), (SELECT string_agg(state || object_key, ',') FROM product_versions),
               (SELECT string_agg(step || state || detail, ',' ORDER BY step) FROM version_checks))",
        )
        .await
}

#[tokio::test]
async fn the_checks_page_follows_by_itself() {
    let stage = Stage::open().await;
    shelve(&stage).await;
    let ada = stage.seller("ada").await;
    let id = draft(&ada, "Service starter with billing").await;
    package(&ada, &id, "1.0.0", &sound("1.0.0")).await;
    let path = format!("/dashboard/products/{id}/checks/events");
    let checked = async {
        stage.work().await.assert_no_failure();
    };
    let events = ada.hears(&path, checked).await;
    assert!(events.starts_with("event: checks\n"), "{events}");
    assert!(events.contains("is being checked"), "{events}");
    let last = events.rsplit_once("event: settled\n").expect("it ends when nothing more happens").1;
    assert!(last.contains("The package is fine."), "{last}");
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let stage = Stage::open().await;
    shelve(&stage).await;
    let ada = stage.seller("ada").await;
    let eve = stage.seller("eve").await;
    let id = draft(&ada, "Service starter with billing").await;
    let version = package(&ada, &id, "1.0.0", &sound("1.0.0")).await;
    let upload = stage.text("SELECT id::text FROM uploads").await;
    let gets = [
        format!("/api/seller/products/{id}"),
        format!("/api/products/{id}/versions/{version}/checks"),
        format!("/api/uploads/{upload}"),
        format!("/dashboard/products/{id}/edit"),
        format!("/dashboard/products/{id}/checks"),
        format!("/dashboard/products/{id}/checks/events"),
    ];
    for path in gets {
        assert_eq!(eve.calls(Method::GET, &path, None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let writes = [
        (Method::PUT, format!("/api/products/{id}"), json!({"title": "Mine now, thank you"})),
        (Method::DELETE, format!("/api/products/{id}"), json!({})),
        (Method::POST, format!("/api/products/{id}/publish"), json!({})),
        (Method::POST, format!("/api/products/{id}/versions"), json!({"upload": upload})),
        (Method::POST, format!("/api/uploads/{upload}/complete"), json!({})),
        (Method::DELETE, format!("/api/uploads/{upload}"), json!({})),
        (Method::POST, "/api/uploads".into(), json!({"product": id, "purpose": "image", "file_name": "a.png", "size_bytes": 9})),
    ];
    for (method, path, body) in writes {
        let (status, answer) = eve.calls(method, &path, Some(&body)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {answer}");
    }
    let buyer = stage.signs_up("bob").await;
    let input = json!({"title": "A product of a buyer"});
    assert_eq!(buyer.calls(Method::POST, "/api/products", Some(&input)).await.0, StatusCode::FORBIDDEN);
    assert_eq!(stage.person().calls(Method::POST, "/api/products", Some(&input)).await.0, StatusCode::UNAUTHORIZED);
    let odd = json!({"title": "A product\0 of a seller", "tags": ["a\0b"]});
    let (status, problem) = ada.calls(Method::POST, "/api/products", Some(&odd)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("cannot be stored")), "{problem}");
    assert_eq!(ada.calls(Method::GET, "/api/seller/products/a%00b", None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ada.calls(Method::GET, "/api/products/me?q=%00", None).await.0, StatusCode::OK);
    let unknown = json!({"title": "A product of a seller", "prise": 3});
    let (status, problem) = ada.calls(Method::POST, "/api/products", Some(&unknown)).await;
    assert_eq!((status, problem["errors"][0]["field"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("prise")));
}
