//! `/dashboard/products/{product}/checks`: the publish workflow as it happens (SCAN-03). A script follows the stream of
//! server-sent events, each of which is the part of the page that changed; without one, a link looks again.
//!
//! The stream looks at the database twice a second and says something only when something changed. It ends by itself: when
//! nothing more will happen without a person, after five minutes (the browser then comes back), or when the process stops.

use super::shapes::Labelled;
use crate::{
    App, Result,
    auth::{SignedIn, Viewer},
    form::{Path, Query},
};
use axum::{
    extract::State,
    response::{
        Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::Stream;
use mywork::catalog::{
    Error,
    check::{self, Check, Finding, Severity, StepState},
    product::{self, Product},
    version::{self, Version, VersionState},
};
use mywork::ids::{ProductId, VersionId};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, time::Duration};
use tokio::time::Instant;

const LOOK_EVERY: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(300);

#[derive(Debug, Deserialize)]
pub(super) struct Which {
    version: Option<VersionId>,
}

#[derive(Serialize)]
struct Page {
    product: Product,
    versions: Vec<Version>,
    live: Live,
}

/// The part that changes.
#[derive(Serialize)]
struct Live {
    product_id: ProductId,
    slug: String,
    product_state: String,
    version: Option<Version>,
    checks: Vec<Labelled>,
    findings: Vec<Finding>,
    blockers: usize,
    reviews: usize,
    /// Nothing more happens without a person.
    settled: bool,
    /// How many steps are done, of how many.
    done: usize,
}

pub(super) async fn page(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(key): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let product = product::get_own(&mut tx, viewer.id, &key).await?;
    let versions = version::all_of(&mut tx, product.id).await?;
    tx.commit().await?;
    let chosen = which.version.or_else(|| versions.first().map(|version| version.id));
    let live = look(&app, &viewer, product.id, chosen).await?;
    app.page(&viewer, "pages/catalog/checks.html", &Page { product, versions, live })
}

pub(super) async fn events(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(key): Path<String>,
    Query(which): Query<Which>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let product = product::get_own(&mut tx, viewer.id, &key).await?;
    let newest = version::newest_of(&mut tx, product.id).await?;
    tx.commit().await?;
    let version = which.version.or(newest.map(|version| version.id));
    let watch = Watch { app, viewer, product: product.id, version, shown: None, until: Instant::now() + LONGEST, over: false };
    let events = futures::stream::unfold(watch, |mut watch| async move { watch.next().await.map(|event| (Ok(event), watch)) });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// Somebody looking at the checks of a version.
struct Watch {
    app: App,
    viewer: Viewer,
    product: ProductId,
    version: Option<VersionId>,
    /// What the browser has.
    shown: Option<String>,
    until: Instant,
    over: bool,
}

impl Watch {
    /// The next change; nothing when the stream is over.
    async fn next(&mut self) -> Option<Event> {
        while !self.over && Instant::now() < self.until {
            match self.render().await {
                Ok((html, settled)) => {
                    self.over = settled;
                    if self.shown.as_ref() != Some(&html) {
                        // A carriage return cannot be sent in an event, and HTML does not miss it.
                        let event =
                            Event::default().event(if settled { "settled" } else { "checks" }).data(html.replace('\r', ""));
                        self.shown = Some(html);
                        return Some(event);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the checks could not be looked at");
                    return None;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.app.shutdown.cancelled() => return None,
            }
        }
        None
    }

    async fn render(&self) -> Result<(String, bool)> {
        let live = look(&self.app, &self.viewer, self.product, self.version).await?;
        let settled = live.settled;
        Ok((self.app.fragment(&self.viewer, "pages/catalog/_checks.html", &Fragment { live })?, settled))
    }
}

#[derive(Serialize)]
struct Fragment {
    live: Live,
}

async fn look(app: &App, viewer: &Viewer, id: ProductId, chosen: Option<VersionId>) -> Result<Live> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let product = product::get(&mut tx, id).await?;
    let version = match chosen {
        Some(chosen) => {
            let version = version::find(&mut tx, chosen).await?.filter(|version| version.product_id == id);
            Some(version.ok_or(Error::NotFound("version"))?)
        }
        None => None,
    };
    let (mut checks, mut findings) = (Vec::new(), Vec::new());
    if let Some(version) = &version {
        checks = check::checks_of(&mut tx, version.id).await?;
        findings = check::findings_of(&mut tx, version.id).await?;
    }
    tx.commit().await?;
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    Ok(Live {
        product_id: id,
        slug: product.slug,
        product_state: product.state.as_str().to_owned(),
        settled: version.as_ref().is_none_or(|version| is_settled(version.state, &checks)),
        blockers: count(Severity::Blocker),
        reviews: count(Severity::Review),
        done: checks.iter().filter(|check| check.state == StepState::Passed).count(),
        checks: checks.into_iter().map(Labelled::from).collect(),
        version,
        findings,
    })
}

/// Whether nothing more happens by itself: it ended, or waits for its seller to submit. Waiting for an admin is worth staying for.
fn is_settled(state: VersionState, checks: &[Check]) -> bool {
    match state {
        VersionState::Released | VersionState::Rejected => true,
        VersionState::Received | VersionState::Quarantined => false,
        VersionState::Checked => checks.iter().all(|check| check.state != StepState::Running),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use check::Step;

    fn checks(approval: StepState) -> Vec<Check> {
        let check = |step, state| Check { step, state, detail: String::new(), started_at: None, finished_at: None };
        vec![check(Step::Scan, StepState::Passed), check(Step::Approval, approval), check(Step::Release, StepState::Waiting)]
    }

    #[test]
    fn a_stream_lasts_as_long_as_something_may_happen() {
        assert!(!is_settled(VersionState::Received, &checks(StepState::Waiting)));
        assert!(is_settled(VersionState::Checked, &checks(StepState::Waiting)), "until it is submitted");
        assert!(!is_settled(VersionState::Checked, &checks(StepState::Running)));
        assert!(is_settled(VersionState::Rejected, &checks(StepState::Failed)));
    }
}
