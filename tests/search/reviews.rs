//! What buyers think: only who bought may say so, once for each order line, and whatever is written, changed and taken back, also
//! at the same moment, the rating is what a full count would find.
//!
//! Proves: REVIEW-01, REVIEW-03

use super::catalogue::{Item, catalogue};
use crate::support::{people::text, person::Person, stage::Stage};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const BUYERS: [&str; 8] = ["bea", "bob", "dan", "eve", "fay", "gus", "hal", "ivy"];

#[tokio::test(flavor = "multi_thread")]
async fn only_buyers_review_and_only_once() {
    let stage = Stage::open().await;
    let product = unrated(&stage).await;
    let (bob, eve) = (stage.signs_up("bob").await, stage.signs_up("eve").await);
    let page = format!("/products/{}", product.slug);
    let form = format!("{page}/reviews");
    let good = [("rating", "4"), ("title", "Saved a month"), ("body", "It works.")];

    // Not a visitor, not somebody who never bought, not somebody who has not paid yet.
    assert_eq!(writes(&stage.person(), &product, 5).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(stage.person().sends(&form, &good).await.path, "/sign-in");
    assert_eq!(writes(&eve, &product, 1).await.0, StatusCode::FORBIDDEN);
    buys(&stage, &["eve"], &product, "standard", "pending").await;
    assert_eq!(eve.sends(&form, &good).await.status, StatusCode::FORBIDDEN);
    assert_rating(&stage, &product, 0, 0).await;

    // A buyer, on the page: what is wrong is said beside what was typed, then it stands there.
    buys(&stage, &["bob"], &product, "standard", "fulfilled").await;
    let refused = bob.sends(&form, &[("rating", "0"), ("title", "Saved a month"), ("body", "It works.")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.shows("Give 1 to 5 stars.").text.contains("Saved a month"), "nothing typed is lost");
    bob.sends(&form, &good).await.ok().shows("Your review is on the page.").shows("Saved a month").shows("Verified buyer");
    assert_rating(&stage, &product, 4, 1).await;
    let (_, list) = bob.calls(Method::GET, &format!("/api/reviews/product/{}", product.slug), None).await;
    let id = text(&list["data"][0], "id");

    // Not twice for one order line, by page or by API; for a second one again.
    assert_eq!(bob.sends(&form, &good).await.status, StatusCode::CONFLICT);
    assert_eq!(writes(&bob, &product, 5).await.0, StatusCode::CONFLICT);
    buys(&stage, &["bob"], &product, "extended", "fulfilled").await;
    let at_once = join_all((0..4).map(|_| writes(&bob, &product, 5))).await;
    let written = at_once.iter().filter(|(status, _)| *status == StatusCode::CREATED).count();
    assert_eq!(written, 1, "one order line takes one of four at once: {at_once:?}");
    assert!(at_once.iter().all(|(status, _)| *status == StatusCode::CREATED || *status == StatusCode::CONFLICT), "{at_once:?}");
    assert_rating(&stage, &product, 9, 2).await;

    // Nobody else's to change; the author changes it and takes it back.
    for (change, field) in [(json!({"rating": 6}), "rating"), (json!({"rating": 5, "text": "x".repeat(5_001)}), "text")] {
        let (status, problem) = bob.calls(Method::PUT, &format!("/api/reviews/{id}"), Some(&change)).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &field.into()), "{problem}");
    }
    assert_eq!(edits(&eve, &id, 1).await, StatusCode::NOT_FOUND);
    assert_eq!(removes(&eve, &id).await, StatusCode::NOT_FOUND);
    assert_eq!(eve.sends(&format!("{form}/{id}/delete"), &[]).await.status, StatusCode::NOT_FOUND);
    let changed = [("rating", "2"), ("title", "On second thoughts"), ("body", "")];
    bob.sends(&format!("{form}/{id}"), &changed).await.ok().shows("Your review was changed.").shows("On second thoughts");
    assert_rating(&stage, &product, 7, 2).await;
    bob.sends(&format!("{form}/{id}/delete"), &[]).await.ok().shows("Your review was taken back.").hides("On second thoughts");
    assert_eq!(removes(&bob, &id).await, StatusCode::NOT_FOUND);
    assert_rating(&stage, &product, 5, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rating_is_exact_whoever_writes_at_once() {
    let stage = Stage::open().await;
    let product = unrated(&stage).await;
    let mut buyers = Vec::new();
    for name in BUYERS {
        buyers.push(stage.signs_up(name).await);
    }
    buys(&stage, &BUYERS, &product, "standard", "fulfilled").await;
    let stars = |n: usize| n as i64 % 5 + 1;

    let written = join_all(buyers.iter().enumerate().map(|(n, buyer)| writes(buyer, &product, stars(n)))).await;
    assert!(written.iter().all(|(status, _)| *status == StatusCode::CREATED), "{written:?}");
    let ids: Vec<String> = written.iter().map(|(_, review)| text(review, "id")).collect();
    assert_rating(&stage, &product, (0..8).map(stars).sum(), 8).await;

    // Everybody changes their own; one of them the same review eight times at once, as impatient people do.
    let changes = join_all(buyers.iter().zip(&ids).enumerate().map(|(n, (buyer, id))| edits(buyer, id, stars(n + 2))));
    let impatient = join_all((0..8).map(|n| edits(&buyers[0], &ids[0], stars(n))));
    let (changes, impatient) = futures::join!(changes, impatient);
    assert!(changes.iter().chain(&impatient).all(StatusCode::is_success), "{changes:?} {impatient:?}");
    edits(&buyers[0], &ids[0], 5).await;
    assert_rating(&stage, &product, 5 + (1..8).map(|n| stars(n + 2)).sum::<i64>(), 8).await;

    // Half take theirs back, pressing twice, while the others change theirs.
    let (gone, stays) = ids.split_at(4);
    let taken = join_all(gone.iter().zip(&buyers).flat_map(|(id, buyer)| [removes(buyer, id), removes(buyer, id)]));
    let changes = join_all(stays.iter().zip(&buyers[4..]).map(|(id, buyer)| edits(buyer, id, 3)));
    let (taken, _) = futures::join!(taken, changes);
    assert_eq!(taken.iter().filter(|status| status.is_success()).count(), 4, "{taken:?}");
    assert_rating(&stage, &product, 12, 4).await;
}

/// A product of the catalogue that nobody has rated.
async fn unrated(stage: &Stage) -> Item {
    catalogue(stage).await.into_iter().next().expect("there are forty")
}

/// Order lines as they stand after a sale, or before the payment.
async fn buys(stage: &Stage, names: &[&str], product: &Item, licence: &str, state: &str) {
    sqlx::query(
        "WITH bought AS (
           INSERT INTO checkouts (id, buyer_id, state, total_cents, processor_fee_cents, created_at, expires_at)
           SELECT gen_random_uuid(), id, 'paid', 900, 0, now(), now() FROM users WHERE username = ANY($1) RETURNING id, buyer_id)
         INSERT INTO orders (id, number, checkout_id, buyer_id, seller_id, product_id, product_title, licence, state,
                             amount_cents, commission_schedule, commission_bps, platform_fee_cents, seller_cents,
                             processor_fee_cents, created_at)
         SELECT gen_random_uuid(), 'MW-' || bought.id, bought.id, buyer_id, p.seller_id, p.id, p.title, $3, $4,
                900, 1, 0, 0, 900, 0, now()
         FROM bought, products p WHERE p.id = $2::uuid",
    )
    .bind(names)
    .bind(&product.id)
    .bind(licence)
    .bind(state)
    .execute(&mut stage.look().await)
    .await
    .expect("the orders stand");
}

async fn writes(person: &Person, product: &Item, rating: i64) -> (StatusCode, Value) {
    let review = json!({ "product_id": product.id, "rating": rating, "title": "So it is", "text": "It works." });
    person.calls(Method::POST, "/api/reviews", Some(&review)).await
}

async fn edits(person: &Person, review: &str, rating: i64) -> StatusCode {
    person.calls(Method::PUT, &format!("/api/reviews/{review}"), Some(&json!({ "rating": rating }))).await.0
}

async fn removes(person: &Person, review: &str) -> StatusCode {
    person.calls(Method::DELETE, &format!("/api/reviews/{review}"), None).await.0
}

/// The rating is this, for a full count, in the list of reviews, at the product and on its page.
#[track_caller]
fn assert_rating(stage: &Stage, product: &Item, sum: i64, count: i64) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let id = &product.id;
        let counted = format!("SELECT coalesce(sum(rating), 0) || ' ' || count(*) FROM reviews WHERE product_id = '{id}'");
        assert_eq!(stage.text(&counted).await, format!("{sum} {count}"), "{place}");
        let kept = format!("SELECT rating_sum || ' ' || rating_count FROM product_stats WHERE product_id = '{id}'");
        assert_eq!(stage.text(&kept).await, format!("{sum} {count}"), "{place}");
        let visitor = stage.person();
        let (_, list) = visitor.calls(Method::GET, &format!("/api/reviews/product/{id}"), None).await;
        let spread = (1..=5).map(|stars| (stars, list["distribution"][stars.to_string()].as_i64().expect("a count")));
        let (total, many) = spread.fold((0, 0), |(sum, count), (stars, here)| (sum + stars * here, count + here));
        assert_eq!((total, many), (sum, count), "{place}: {list}");
        let (_, shown) = visitor.calls(Method::GET, &format!("/api/products/{id}"), None).await;
        let average = (count > 0).then(|| (sum as f64 / count as f64 * 100.0).round() / 100.0);
        assert_eq!(shown["stats"]["rating_average"], json!(average), "{place}");
        let page = visitor.opens(&format!("/products/{}", product.slug)).await.ok();
        let _ = match count {
            0 => page.shows("No reviews yet"),
            _ => page.shows(&format!("({count})")),
        };
    }
}
