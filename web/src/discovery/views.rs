//! Counts how often products are looked at: in memory, handed over every few seconds as one job, and once more when the process
//! stops. What people's browsers show people counts; programs, what a browser fetches ahead, and sellers looking at their
//! own do not.
//!
//! A batch keeps its name until it is known to be handed over, so one that was, although we were told otherwise, counts once.

use crate::App;
use http::{HeaderMap, header};
use mywork::{analytics::jobs::CountViews, db::Actor, ids::ProductId};
use std::{collections::HashMap, sync::Mutex, time::Duration};
use tokio::time;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Between two batches.
const PAUSE: Duration = Duration::from_secs(5);

/// What programs call themselves, in small letters. Whoever does not say what it is is one of them.
const PROGRAMS: [&str; 19] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "archiver",
    "preview",
    "facebookexternalhit",
    "headless",
    "lighthouse",
    "monitor",
    "curl",
    "wget",
    "python",
    "go-http-client",
    "java/",
    "okhttp",
    "libwww",
    "axios",
    "node-fetch",
];

/// Views that are not handed over yet.
#[derive(Debug, Default)]
pub struct Views(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    seen: HashMap<ProductId, i64>,
    /// On its way, or tried in vain.
    leaving: Option<CountViews>,
}

impl Views {
    /// Somebody looks at a product.
    pub(super) fn count(&self, product: ProductId, headers: &HeaderMap) {
        if is_person(headers) {
            *self.held().seen.entry(product).or_default() += 1;
        }
    }

    /// The batch to hand over next: the one that failed, or all that was counted since.
    fn batch(&self) -> Option<CountViews> {
        let mut counted = self.held();
        if counted.leaving.is_none() && !counted.seen.is_empty() {
            let counts = std::mem::take(&mut counted.seen).into_iter().collect();
            counted.leaving = Some(CountViews { batch: Uuid::now_v7(), counts });
        }
        counted.leaving.clone()
    }

    fn handed_over(&self) {
        self.held().leaving = None;
    }

    /// Counting goes on after a panic elsewhere: a number cannot be half written.
    fn held(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn is_person(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let ahead = ["sec-purpose", "purpose", "x-moz"].into_iter().any(|name| text(name).contains("prefetch"));
    let agent = text(header::USER_AGENT.as_str());
    !ahead && !agent.is_empty() && !PROGRAMS.iter().any(|program| agent.contains(program))
}

/// Hands batches over until `shutdown`. What is counted after that waits for [`hand_over`].
pub(crate) async fn keep_handing_over(app: App, shutdown: CancellationToken) {
    let mut interval = time::interval(PAUSE);
    interval.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => hand_over(&app).await,
        }
    }
}

/// Hands over what was counted. When that fails it is tried again with the next batch.
pub(crate) async fn hand_over(app: &App) {
    while let Some(batch) = app.views.batch() {
        if let Err(error) = enqueue(app, &batch).await {
            tracing::warn!(%error, products = batch.counts.len(), "views were not handed over yet");
            return;
        }
        app.views.handed_over();
    }
}

async fn enqueue(app: &App, batch: &CountViews) -> anyhow::Result<()> {
    let mut tx = app.db.begin(Actor::System).await?;
    mywork_queue::enqueue(&mut tx, batch).await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))).collect()
    }

    const FIREFOX: (&str, &str) = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");

    #[test]
    fn people_count_and_programs_do_not() {
        assert!(is_person(&headers(&[FIREFOX])));
        assert!(!is_person(&headers(&[FIREFOX, ("sec-purpose", "prefetch;prerender")])));
        assert!(!is_person(&headers(&[])));
        for agent in ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "curl/8.5.0"] {
            assert!(!is_person(&headers(&[("user-agent", agent)])), "{agent}");
        }
    }

    #[test]
    fn a_batch_keeps_its_name_until_it_is_handed_over() {
        let views = Views::default();
        assert_eq!(views.batch(), None);
        let product = ProductId::new();
        views.count(product, &headers(&[FIREFOX]));
        views.count(product, &headers(&[FIREFOX]));
        let first = views.batch().expect("two views");
        assert_eq!(first.counts, [(product, 2)]);
        views.count(product, &headers(&[FIREFOX]));
        assert_eq!(views.batch(), Some(first.clone()), "it was not handed over");
        views.handed_over();
        let second = views.batch().expect("one more");
        assert_eq!(second.counts, [(product, 1)]);
        assert_ne!(second.batch, first.batch);
    }
}
