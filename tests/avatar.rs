//! A person's picture of themselves (AUTH-03): straight from the browser to quarantine, made small by a job, shown wherever they
//! are; another one takes its place, what is no picture is refused with a reason, and initials come back when it is removed.
//!
//! Proves: AUTH-03, SEC-03

use crate::support::{
    people::text,
    person::{Page, Person},
    stage::Stage,
};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use mywork_queue::testing;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::io::Cursor;

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_shown_wherever_its_person_is() {
    let stage = Stage::open().await;
    let ada = stage.seller("ada").await;
    assert_eq!(avatar(&ada.opens("/sellers/ada").await.ok()), "/avatars/ada.svg");

    brings(&ada, "me.png", &picture(1_200, 700)).await;
    ada.opens("/dashboard/settings").await.ok().shows("Being prepared…");
    stage.work().await.assert_no_failure();

    // Small, square, encoded anew, at an address nobody guesses; the original is gone.
    let address = avatar(&ada.opens("/dashboard/settings").await.ok().hides("Being prepared"));
    assert!(address.starts_with("/media/public/avatars/"), "{address}");
    let shown = fetch(&stage, &address).await;
    let small = image::load_from_memory(&shown).expect("a picture");
    assert_eq!((small.width(), small.height(), image::guess_format(&shown).unwrap()), (256, 256, ImageFormat::Jpeg));
    let original = stage.text("SELECT key FROM uploads WHERE purpose = 'avatar'").await;
    assert!(stage.services.storage.head(&original).await.unwrap().is_none(), "the original is removed");

    let admin = stage.admin("rita").await;
    for page in ["/sellers/ada", "/dashboard"] {
        assert_eq!(avatar(&ada.opens(page).await.ok()), address, "{page}");
    }
    let id = stage.text("SELECT id::text FROM users WHERE username = 'ada'").await;
    for page in ["/admin/users".to_owned(), format!("/admin/users/{id}")] {
        assert_eq!(avatar(&admin.opens(&page).await.ok()), address, "{page}");
    }
    let (_, me) = ada.calls(Method::GET, "/api/users/me", None).await;
    assert!(text(&me, "avatar_url").ends_with(&address), "{me}");

    // Another one takes its place, and nothing of the first is left.
    brings(&ada, "me.jpg", &picture(300, 300)).await;
    stage.work().await.assert_no_failure();
    let next = avatar(&ada.opens("/sellers/ada").await.ok());
    assert_ne!(next, address);
    assert!(stage.services.storage.head(address.trim_start_matches("/media/")).await.unwrap().is_none());

    // Removed, the initials are back.
    ada.sends("/dashboard/settings/avatar/remove", &[]).await.ok().shows("Your picture is removed.");
    stage.work().await.assert_no_failure();
    assert_eq!(avatar(&ada.opens("/sellers/ada").await.ok()), "/avatars/ada.svg");
    assert!(stage.services.storage.head(next.trim_start_matches("/media/")).await.unwrap().is_none());
    testing::assert_nothing_left(&mut stage.look().await, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_is_refused_and_what_was_shown_stays() {
    let stage = Stage::open().await;
    let ada = stage.signs_up("ada").await;
    brings(&ada, "me.png", &picture(300, 300)).await;
    stage.work().await.assert_no_failure();
    let shown = avatar(&ada.opens("/dashboard/settings").await.ok());

    brings(&ada, "evil.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>").await;
    stage.work().await.assert_no_failure();
    let page = ada.opens("/dashboard/settings").await.ok().shows("This is not a PNG, JPEG or WebP picture");
    assert_eq!(avatar(&page), shown);

    for (name, size, field) in
        [("me.svg", 100, "file_name"), ("me.png", (2 << 20) + 1, "size_bytes"), ("me.png", 0, "size_bytes")]
    {
        let (status, problem) = announces(&ada, name, size).await;
        assert_eq!(
            (status, problem["errors"][0]["field"].as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, Some(field)),
            "{problem}"
        );
    }

    // One is on its way at a time, and it is its owner's alone.
    let (_, first) = announces(&ada, "me.png", 100).await;
    let (_, second) = announces(&ada, "me.png", 100).await;
    let path = |upload: &Value, tail: &str| format!("/api/users/me/avatar/{}{tail}", text(upload, "id"));
    let (_, given_up) = ada.calls(Method::GET, &path(&first, ""), None).await;
    assert_eq!(given_up["state"], "aborted");
    let (status, _) = ada.calls(Method::POST, &path(&second, "/complete"), None).await;
    assert_eq!(status, StatusCode::CONFLICT, "nothing has arrived");
    let eve = stage.signs_up("eve").await;
    let (status, _) = eve.calls(Method::POST, &path(&second, "/complete"), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_picture_wins_in_whatever_order_jobs_run() {
    let stage = Stage::open().await;
    let ada = stage.signs_up("ada").await;
    brings(&ada, "first.png", &picture(300, 300)).await;
    brings(&ada, "second.png", &picture(400, 400)).await;
    // The later one is made first.
    let order = "WITH moved AS (UPDATE queue.jobs SET priority = id::int WHERE kind = 'identity.process_avatar' RETURNING 1) SELECT count(*) FROM moved";
    assert_eq!(stage.count(order).await, 2);
    stage.work().await.assert_no_failure();
    let newest =
        stage.text("SELECT split_part(key, '/', 3) FROM uploads WHERE purpose = 'avatar' ORDER BY id DESC LIMIT 1").await;
    let older = stage.text("SELECT split_part(key, '/', 3) FROM uploads WHERE purpose = 'avatar' ORDER BY id LIMIT 1").await;
    assert_eq!(stage.text("SELECT avatar_key FROM users WHERE username = 'ada'").await, format!("public/avatars/{newest}.jpg"));
    let left = stage.services.storage.head(&format!("public/avatars/{older}.jpg")).await.unwrap();
    assert!(left.is_none(), "what is not shown is not kept");
}

/// Where a page takes Ada's picture from.
#[track_caller]
fn avatar(page: &Page) -> String {
    let source = page.text.replace("&#x2f;", "/");
    let ours = |src: &&str| src.starts_with("/media/public/avatars/") || *src == "/avatars/ada.svg";
    let found = source.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()).find(ours);
    found.unwrap_or_else(|| panic!("{} shows no picture of Ada:\n{source}", page.path)).to_owned()
}

fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let plain = DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, Rgb([20, 90, 200])));
    plain.write_to(&mut bytes, ImageFormat::Png).expect("a picture");
    bytes.into_inner()
}

async fn announces(person: &Person, file_name: &str, size: usize) -> (StatusCode, Value) {
    let input = json!({ "file_name": file_name, "size_bytes": size });
    person.calls(Method::POST, "/api/users/me/avatar", Some(&input)).await
}

/// Announces a picture, puts it into the storage and declares it complete, as the page's script does.
async fn brings(person: &Person, file_name: &str, bytes: &[u8]) {
    let (status, upload) = announces(person, file_name, bytes.len()).await;
    assert_eq!(status, StatusCode::CREATED, "{upload}");
    let put = reqwest::Client::new()
        .put(text(&upload, "put_url"))
        .header("content-type", text(&upload, "content_type"))
        .body(bytes.to_vec())
        .send()
        .await
        .expect("the storage answers");
    assert!(put.status().is_success(), "{}", put.text().await.unwrap_or_default());
    let complete = format!("/api/users/me/avatar/{}/complete", text(&upload, "id"));
    let (status, done) = person.calls(Method::POST, &complete, Some(&json!({}))).await;
    assert_eq!(status, StatusCode::OK, "{done}");
}

async fn fetch(stage: &Stage, path: &str) -> Vec<u8> {
    let url = format!("{}{path}", stage.config.base_url.as_str().trim_end_matches('/'));
    reqwest::get(url).await.expect("the web answers").bytes().await.expect("all of it").to_vec()
}
