//! How often a product is looked at: people count, programs and the seller do not; what was counted is handed over some seconds
//! late as one job, and a batch counts once, however often it is run.
//!
//! Proves: SELLER-03 (views)

use crate::support::{package, stage::Stage, until};
use mywork::analytics::views;
use reqwest::header;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const GOOGLE: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

#[tokio::test(flavor = "multi_thread")]
async fn people_who_look_are_counted_once() {
    let stage = Stage::open().await;
    let (seller, admin) = (stage.seller("ada").await, stage.admin("rita").await);
    let listing = stage.sells(&seller, &admin, "Hello world starter kit", "49", &package::honest()).await;
    let page = format!("{}/products/{}", stage.config.base_url.as_str().trim_end_matches('/'), listing.slug);
    let http = reqwest::Client::new();
    for agent in [FIREFOX, GOOGLE, FIREFOX, "curl/8.5.0", FIREFOX] {
        let answer = http.get(&page).header(header::USER_AGENT, agent).send().await.expect("the web answers");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
    let waiting = "SELECT count(*) FROM queue.jobs WHERE kind = 'analytics.count_views' AND state = 'available'";
    until("the views are handed over", async || stage.count(waiting).await > 0).await;
    stage.work().await.assert_no_failure();
    // A tick of the counter may have come between two looks.
    let seen = "SELECT views FROM product_stats WHERE views > 0";
    until("the rest is handed over", async || {
        stage.work().await.assert_no_failure();
        stage.count(seen).await == 3
    })
    .await;

    // The same batch once more, as after a worker that was killed when it had all but said so.
    let batch = stage.text("SELECT id::text FROM view_batches ORDER BY id LIMIT 1").await.parse().expect("a name");
    let product = listing.product.parse().expect("an id");
    let mut look = stage.look().await;
    let fresh = views::count(&mut look, batch, &[(product, 3)], chrono::Utc::now()).await.expect("the database answers");
    assert!(!fresh);
    assert_eq!(stage.count(seen).await, 3);
}
