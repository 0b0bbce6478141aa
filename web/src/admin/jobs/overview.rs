//! `/admin/jobs`: everything at a glance. How many jobs are in which state, what a person should look at now, what was done and
//! what failed over time by queue and kind, who works. What changes by the second follows on a stream; the charts are those of
//! the moment the page was opened.

use super::{
    chart::{Axis, Chart, Point, Spark},
    errors::Window,
    live::Frame,
};
use crate::{
    App, Result,
    auth::{AdminOnly, Viewer},
    form::Query,
};
use axum::{Router, extract::State, response::Response, routing::get};
use chrono::{DateTime, TimeDelta, Utc};
use mywork::db::{Actor, Tx};
use mywork_queue::admin::{
    self, Alert, KindCount, QueueRow, StateCount, WorkerRow,
    live::{self, Tick},
    stats::{self, Bucket},
};
use serde::{Deserialize, Serialize};

/// Older than this in line, and somebody should keep an eye on it.
const AGING: TimeDelta = TimeDelta::minutes(1);
/// Older than this in line, and it is too late.
const OLD: TimeDelta = TimeDelta::minutes(10);

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new().route("/admin/jobs", get(show))
}

/// What the charts show.
#[derive(Clone, Debug, Default, Deserialize, Serialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct Asked {
    /// `1h`, `24h` or `7d`.
    #[param(inline)]
    pub window: Window,
    /// Only runs of this queue.
    pub queue: String,
    /// Only runs of this kind.
    pub kind: String,
}

/// The parts of the page that change by the second.
#[derive(Debug, Serialize)]
pub(super) struct Changing {
    pub states: Vec<StateCount>,
    pub queues: Vec<Line>,
    pub capacity: i64,
    pub busy: i64,
    /// Runs of the last whole minute.
    pub done: i64,
    pub failed: i64,
}

/// A queue, with how worrying its oldest job is.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub queue: QueueRow,
    /// Nothing, `aging` or `old`: the class of the time.
    pub age: &'static str,
}

impl Line {
    fn of(queue: QueueRow, now: DateTime<Utc>) -> Self {
        let age = match queue.oldest_available_at.filter(|_| queue.paused_at.is_none()).map(|oldest| now - oldest) {
            Some(age) if age > OLD => "old",
            Some(age) if age > AGING => "aging",
            _ => "",
        };
        Self { age, queue }
    }
}

impl From<Tick> for Changing {
    fn from(tick: Tick) -> Self {
        Self {
            states: tick.states,
            queues: tick.queues.into_iter().map(|queue| Line::of(queue, tick.at)).collect(),
            capacity: tick.capacity,
            busy: tick.busy,
            done: tick.done,
            failed: tick.failed,
        }
    }
}

/// Everything the page shows, and the API answers.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub live: Changing,
    pub alerts: Vec<Alert>,
    pub workers: Vec<WorkerRow>,
    pub kinds: Vec<KindLine>,
    /// Runs in equal stretches of time.
    #[serde(skip)]
    pub buckets: Vec<Bucket>,
    #[serde(skip)]
    pub releases: Vec<stats::ReleaseMark>,
}

/// A kind of job: how its runs went within the time of the charts.
#[derive(Debug, Serialize)]
pub(super) struct KindLine {
    #[serde(flatten)]
    pub count: KindCount,
    pub runs: i64,
    pub failures: i64,
    /// In words: of one run, of the longest, of standing in line.
    pub usual: String,
    pub slowest: String,
    pub waited: String,
    spark: Spark,
}

fn axis(window: Window, now: DateTime<Utc>) -> Axis {
    match window {
        Window::Hour => Axis::until(now, TimeDelta::minutes(1), 60),
        Window::Day => Axis::until(now, TimeDelta::minutes(30), 48),
        Window::Week => Axis::until(now, TimeDelta::hours(4), 42),
    }
}

/// Looks at everything, in one transaction of few statements.
pub(super) async fn look(app: &App, admin: &AdminOnly, asked: &Asked) -> Result<(Shown, Axis)> {
    let now = app.now();
    let axis = axis(asked.window, now);
    let mut tx = app.db.begin(admin.actor()).await?;
    let overview = admin::overview(&mut tx).await?;
    let workers = admin::workers(&mut tx).await?;
    let alerts = admin::alerts(&mut tx).await?;
    let mut buckets = stats::throughput(&mut tx, axis.from, axis.step).await?;
    let releases = stats::releases(&mut tx, axis.from).await?;
    let (done, failed) = last_minute(&mut tx, now).await?;
    tx.commit().await?;

    let workers: Vec<WorkerRow> =
        workers.into_iter().filter(|worker| worker.stopped_at.is_none() && worker.lost_at.is_none()).collect();
    buckets.retain(|bucket| {
        (asked.queue.is_empty() || bucket.queue == asked.queue) && (asked.kind.is_empty() || bucket.kind == asked.kind)
    });
    let live = Changing {
        states: overview.states,
        queues: overview.queues.into_iter().map(|queue| Line::of(queue, now)).collect(),
        capacity: workers.iter().map(|worker| i64::from(worker.capacity)).sum(),
        busy: workers.iter().map(|worker| i64::from(worker.busy)).sum(),
        done,
        failed,
    };
    let kinds = overview.kinds.into_iter().map(|count| KindLine::of(count, &buckets, axis)).collect();
    Ok((Shown { live, alerts, workers, kinds, buckets, releases }, axis))
}

async fn last_minute(tx: &mut Tx, now: DateTime<Utc>) -> Result<(i64, i64)> {
    let since = Axis::until(now, TimeDelta::minutes(1), 2).from;
    let latest = stats::throughput(tx, since, TimeDelta::minutes(1)).await?;
    let whole = latest.iter().filter(|bucket| bucket.at == since);
    Ok(whole.fold((0, 0), |(done, failed), bucket| (done + bucket.done, failed + bucket.failed)))
}

impl KindLine {
    fn of(count: KindCount, buckets: &[Bucket], axis: Axis) -> Self {
        let mine = || buckets.iter().filter(|bucket| bucket.kind == count.kind);
        let runs: i64 = mine().map(|bucket| bucket.done + bucket.failed).sum();
        let failures = mine().map(|bucket| bucket.failed).sum();
        let mut counts = vec![0; axis.steps];
        for bucket in mine() {
            if let Some(place) = axis.place(bucket.at) {
                counts[place] += bucket.done + bucket.failed;
            }
        }
        let each = |seconds: f64| if runs == 0 { String::new() } else { lasting(seconds / runs_of(runs)) };
        let slowest = mine().map(|bucket| bucket.slowest).fold(0.0, f64::max);
        Self {
            runs,
            failures,
            usual: each(mine().map(|bucket| bucket.seconds).sum()),
            waited: each(mine().map(|bucket| bucket.waited).sum()),
            slowest: if runs == 0 { String::new() } else { lasting(slowest) },
            spark: Spark::of(&counts, format!("{runs} runs of {}", count.kind)),
            count,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean for people to read")]
fn runs_of(runs: i64) -> f64 {
    runs as f64
}

/// Seconds as a person would say them.
pub(super) fn lasting(seconds: f64) -> String {
    let from = DateTime::UNIX_EPOCH;
    let millis = TimeDelta::try_milliseconds((seconds * 1_000.0).clamp(0.0, 1e13) as i64).unwrap_or_default();
    super::detail::lasting(from, from + millis)
}

#[derive(Serialize)]
struct ShowPage {
    asked: Asked,
    #[serde(flatten)]
    shown: Shown,
    throughput: Chart,
    failures: Chart,
    queue_names: Vec<String>,
}

async fn show(State(app): State<App>, admin: AdminOnly, Query(asked): Query<Asked>) -> Result<Response> {
    let (shown, axis) = look(&app, &admin, &asked).await?;
    let releases: Vec<(DateTime<Utc>, String)> =
        shown.releases.iter().map(|mark| (mark.first_at, mark.release.clone())).collect();
    // By what the reader has not chosen yet.
    let by_kind = !asked.queue.is_empty() || !asked.kind.is_empty();
    let done = shown.buckets.iter().map(|bucket| Point {
        at: bucket.at,
        series: if by_kind { &bucket.kind } else { &bucket.queue },
        count: bucket.done,
    });
    let failed = shown.buckets.iter().filter(|bucket| bucket.failed > 0);
    let failed = failed.map(|bucket| Point { at: bucket.at, series: &bucket.kind, count: bucket.failed });
    let title = if by_kind { "Done, by kind" } else { "Done, by queue" };
    let page = ShowPage {
        throughput: Chart::stacked("throughput", title, axis, done.filter(|point| point.count > 0), &releases),
        failures: Chart::stacked("failures", "Failed, by kind", axis, failed, &releases),
        queue_names: shown.live.queues.iter().map(|line| line.queue.name.clone()).collect(),
        asked,
        shown,
    };
    app.page(&admin, "pages/admin/jobs/overview.html", &page)
}

#[derive(Serialize)]
struct Fragment {
    live: Changing,
}

/// What the stream shows: one cheap look for everybody who watches.
pub(super) async fn frame(app: &App) -> Result<Frame> {
    let mut tx = app.db.begin(Actor::System).await?;
    let tick = live::tick(&mut tx).await?;
    tx.commit().await?;
    let html = app.fragment(&None::<Viewer>, "pages/admin/jobs/_overview.html", &Fragment { live: tick.into() })?;
    Ok(Frame { html: html.into(), is_over: false })
}
