//! `/admin/jobs/bulk`: one act on all jobs that match (BEYOND-02). First a dry run that counts them and says what they would
//! cost; then a reason; then half a minute in which it can be undone; then a job does it piece by piece, and its progress is
//! here. What touches payouts waits here for a second admin.

use super::{
    Target, Why,
    acts::{sentence, time},
    back,
    list::{Asked, given},
    live::Frame,
    note, reason, second,
};
use crate::{
    App, Error, FieldErrors, Result,
    auth::{AdminOnly, Viewer},
    form::{Form, Path, Query},
    page::{self, Flash},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use mywork::{
    db::{Actor, Tx},
    identity::people,
    ids::UserId,
};
use mywork_queue::admin::{
    JobState,
    bulk::{self as queue, Act, Ask, BulkError, BulkRow, BulkState, Count},
    stats,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/jobs/bulk", get(list).post(ask_on_page))
        .route("/admin/jobs/bulk/new", get(dry_run))
        .route("/admin/jobs/bulk/{act}", get(show))
        .route("/admin/jobs/bulk/{act}/approve", post(approve))
        .route("/admin/jobs/bulk/{act}/undo", post(undo))
        .route("/admin/jobs/bulk/{act}/stop", post(stop))
}

/// An act, as a form or a program asks for it. On which jobs is said beside it, as the list's filter.
#[derive(Clone, Debug, Default, Deserialize, Serialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct Wish {
    /// `retry`, `cancel`, `discard` or `reschedule`.
    pub act: String,
    /// The new time, for `reschedule`.
    pub run_at: String,
}

impl Wish {
    fn act(&self) -> Result<Act> {
        match self.act.as_str() {
            "retry" => Ok(Act::Retry),
            "cancel" => Ok(Act::Cancel),
            "discard" => Ok(Act::Discard),
            "reschedule" => Ok(Act::Reschedule { run_at: time("run_at", self.run_at.trim())? }),
            _ => Err(Error::invalid("act", "Choose an act: retry, cancel, discard or reschedule.")),
        }
    }
}

/// What an act would do: how many jobs of which kinds and states, and how long workers would be at it.
#[derive(Debug, Serialize)]
pub(super) struct DryRun {
    pub jobs: i64,
    pub by_kind: Vec<Share>,
    pub by_state: BTreeMap<JobState, i64>,
    /// Seconds of work, as the runs of the last day took; unknown where no kind among them ran.
    pub seconds: Option<f64>,
    /// Some kinds among them did not run within a day, so it is more.
    pub or_more: bool,
    pub needs_second: bool,
    #[serde(skip)]
    counted: Count,
}

/// The jobs of one kind among them.
#[derive(Debug, Serialize)]
pub(super) struct Share {
    pub kind: String,
    pub jobs: i64,
    pub seconds: Option<f64>,
    /// The same in words.
    lasts: Option<String>,
}

pub(super) async fn count(app: &App, tx: &mut Tx, wish: &Wish, asked: &Asked) -> Result<DryRun> {
    let act = wish.act()?;
    let counted = queue::count(tx, &act, &asked.filter()?).await?;
    // Only what makes a job run again costs anything.
    let is_work = matches!(act, Act::Retry);
    let day = TimeDelta::hours(24);
    let lately = if is_work { stats::throughput(tx, app.now() - day, day).await? } else { Vec::new() };
    let each = |kind: &str| {
        let of_kind = || lately.iter().filter(|bucket| bucket.kind == kind);
        let runs: i64 = of_kind().map(|bucket| bucket.done + bucket.failed).sum();
        (runs > 0).then(|| of_kind().map(|bucket| bucket.seconds).sum::<f64>() / f(runs))
    };
    let share = |(kind, jobs): (&String, &i64)| {
        let seconds = each(kind).map(|seconds| seconds * f(*jobs));
        Share { kind: kind.clone(), jobs: *jobs, seconds, lasts: seconds.map(super::overview::lasting) }
    };
    let mut by_kind: Vec<Share> = counted.by_kind.iter().map(share).collect();
    by_kind.sort_by_key(|share| std::cmp::Reverse(share.jobs));
    let known: Vec<f64> = by_kind.iter().filter_map(|share| share.seconds).collect();
    Ok(DryRun {
        jobs: counted.jobs,
        seconds: (!known.is_empty()).then(|| known.iter().sum()),
        or_more: known.len() < by_kind.len(),
        needs_second: counted.by_kind.keys().any(|kind| second::is_guarded(kind)),
        by_state: counted.by_state.clone(),
        by_kind,
        counted,
    })
}

#[expect(clippy::cast_precision_loss, reason = "an estimate for people to read")]
fn f(count: i64) -> f64 {
    count as f64
}

/// Asks for the act and records it. `seen` is how many jobs the dry run had found: when there are many more by now, nothing is
/// done, since that is not what was agreed to.
pub(super) async fn ask(
    app: &App,
    admin: &AdminOnly,
    wish: &Wish,
    asked: &Asked,
    seen: Option<i64>,
    why: &str,
) -> Result<BulkRow> {
    let why = reason(why)?;
    let act = wish.act()?;
    let mut tx = app.db.begin(admin.actor()).await?;
    let found = count(app, &mut tx, wish, asked).await?;
    if let Some(seen) = seen.filter(|seen| found.jobs > seen + (seen / 10).max(10)) {
        let grown = format!("It would have been done to {seen} jobs when you looked, and to {} now. Look again.", found.jobs);
        return Err(Error::Conflict(grown));
    }
    let guarded = second::guarded(found.counted.by_kind.keys());
    let ask = Ask { act, filter: asked.filter()?, reason: why.to_owned(), by: admin.0.id.0, guarded };
    let row = queue::ask(&mut tx, &ask, app.now()).await.map_err(refused)?;
    let changed = (json!({}), json!({ "act": row.act, "filter": row.filter, "matched": row.matched }));
    let action = if row.needs_second { "jobs.bulk.propose" } else { "jobs.bulk.ask" };
    note(app, &mut tx, admin, action, Target { kind: "bulk_act", id: &row.id.to_string() }, why, Some(changed)).await?;
    tx.commit().await?;
    Ok(row)
}

/// What is done about an act that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Approve,
    Undo,
    Stop,
}

pub(super) async fn act(app: &App, admin: &AdminOnly, id: i64, deed: Deed, why: &str) -> Result<(BulkRow, &'static str)> {
    let why = reason(why)?;
    let now = app.now();
    let mut tx = app.db.begin(admin.actor()).await?;
    let (row, action, told) = match deed {
        Deed::Approve => {
            (queue::approve(&mut tx, id, admin.0.id.0, now).await, "jobs.bulk.approve", "Approved. It begins in half a minute.")
        }
        Deed::Undo => (queue::undo(&mut tx, id, now).await, "jobs.bulk.undo", "Undone: no job was touched."),
        Deed::Stop => (queue::stop(&mut tx, id, now).await, "jobs.bulk.stop", "Stopped. What it has done stays done."),
    };
    let row = row.map_err(refused)?;
    note(app, &mut tx, admin, action, Target { kind: "bulk_act", id: &id.to_string() }, why, None).await?;
    tx.commit().await?;
    Ok((row, told))
}

/// What a refused act says to whoever asked for it.
pub(super) fn refused(error: BulkError) -> Error {
    match error {
        BulkError::NotFound(_) => Error::NotFound("bulk act"),
        BulkError::Database(error) => error.into(),
        BulkError::Enqueue(error) => Error::Internal(anyhow::Error::new(error)),
        BulkError::SamePerson(_) => {
            Error::Forbidden("You asked for this one yourself; another admin has to approve it.".to_owned())
        }
        refusal => Error::Conflict(sentence(&refusal.to_string())),
    }
}

#[derive(Serialize)]
struct NewPage {
    wish: Wish,
    /// The filter, in words and as hidden fields.
    fields: Vec<(String, String)>,
    address: String,
    found: Option<DryRun>,
    lasts: Option<String>,
    reason: String,
    errors: FieldErrors,
}

async fn dry_run(
    State(app): State<App>,
    admin: AdminOnly,
    Query(wish): Query<Wish>,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    render_new(&app, &admin, StatusCode::OK, wish, &asked, String::new(), FieldErrors::new()).await
}

async fn render_new(
    app: &App,
    admin: &AdminOnly,
    status: StatusCode,
    wish: Wish,
    asked: &Asked,
    reason: String,
    mut errors: FieldErrors,
) -> Result<Response> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let found = match count(app, &mut tx, &wish, asked).await {
        Ok(found) => Some(found),
        // Which act, or which time, is yet to be chosen: the page asks for it.
        Err(Error::Invalid(faults)) => {
            if !wish.act.is_empty() && errors.is_empty() && !(wish.act == "reschedule" && wish.run_at.is_empty()) {
                errors = faults;
            }
            None
        }
        Err(error) => return Err(error),
    };
    tx.commit().await?;
    let page = NewPage {
        lasts: found.as_ref().and_then(|found| found.seconds).map(super::overview::lasting),
        address: format!("/admin/jobs/list?{}", asked.query()),
        fields: asked.fields(),
        wish,
        found,
        reason,
        errors,
    };
    app.page_with(status, admin, "pages/admin/jobs/bulk_new.html", &page)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asking {
    seen: Option<i64>,
    reason: String,
}

async fn ask_on_page(State(app): State<App>, admin: AdminOnly, body: axum::body::Bytes) -> Result<Response> {
    let wish: Wish = crate::form::parse(&body)?;
    let asked: Asked = crate::form::parse(&body)?;
    let asking: Asking = crate::form::parse(&body)?;
    match ask(&app, &admin, &wish, &asked, asking.seen, &asking.reason).await {
        Ok(row) => Ok(page::see_other(&format!("/admin/jobs/bulk/{}", row.id))),
        Err(Error::Invalid(errors)) => {
            render_new(&app, &admin, StatusCode::UNPROCESSABLE_ENTITY, wish, &asked, asking.reason, errors).await
        }
        Err(Error::Conflict(why)) => {
            let mut errors = FieldErrors::new();
            errors.add("", why);
            render_new(&app, &admin, StatusCode::CONFLICT, wish, &asked, asking.reason, errors).await
        }
        Err(error) => Err(error),
    }
}

/// A bulk act with its people by name and its filter in words.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub row: BulkRow,
    asked_by_name: Option<String>,
    approved_by_name: Option<String>,
    filter_words: Vec<(String, String)>,
    is_open: bool,
    can_undo: bool,
}

impl Line {
    fn of(row: BulkRow, names: &HashMap<Uuid, String>, now: DateTime<Utc>) -> Self {
        let name = |id: Option<Uuid>| id.and_then(|id| names.get(&id).cloned());
        Self {
            asked_by_name: name(row.asked_by),
            approved_by_name: name(row.approved_by),
            filter_words: in_words(&row.filter),
            is_open: matches!(row.state, BulkState::Proposed | BulkState::Waiting | BulkState::Running),
            can_undo: row.state == BulkState::Proposed
                || (row.state == BulkState::Waiting && row.undo_until.is_some_and(|until| until > now)),
            row,
        }
    }
}

/// A stored filter as pairs of words.
fn in_words(filter: &serde_json::Value) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(values) => {
            let mut words: Vec<String> =
                values.iter().take(6).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
            if values.len() > words.len() {
                words.push(format!("and {} more", values.len() - words.len()));
            }
            words.join(", ")
        }
        serde_json::Value::Object(fields) => {
            let part = |name: &str| fields.get(name).and_then(|v| v.as_str()).unwrap_or_default();
            if fields.contains_key("path") {
                format!("{} = {}", part("path"), part("value"))
            } else {
                format!("{} {}", part("kind"), part("id"))
            }
        }
        other => other.to_string(),
    };
    let pairs = filter.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.replace('_', " "), text(value))).collect()
}

/// Usernames of a few people.
async fn names(tx: &mut Tx, rows: &[BulkRow]) -> Result<HashMap<Uuid, String>> {
    let ids: BTreeSet<Uuid> = rows.iter().flat_map(|row| [row.asked_by, row.approved_by]).flatten().collect();
    let mut names = HashMap::new();
    for id in ids {
        if let Some(person) = people::find(tx, UserId(id)).await? {
            names.insert(id, person.username);
        }
    }
    Ok(names)
}

pub(super) async fn all(app: &App, admin: &AdminOnly) -> Result<Vec<Line>> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let rows = queue::list(&mut tx).await?;
    let names = names(&mut tx, &rows).await?;
    tx.commit().await?;
    let now = app.now();
    Ok(rows.into_iter().map(|row| Line::of(row, &names, now)).collect())
}

pub(super) async fn one(app: &App, actor: Actor, id: i64) -> Result<Line> {
    let mut tx = app.db.begin(actor).await?;
    let row = queue::find(&mut tx, id).await?.ok_or(Error::NotFound("bulk act"))?;
    let names = names(&mut tx, std::slice::from_ref(&row)).await?;
    tx.commit().await?;
    Ok(Line::of(row, &names, app.now()))
}

#[derive(Serialize)]
struct ListPage {
    acts: Vec<Line>,
}

async fn list(State(app): State<App>, admin: AdminOnly) -> Result<Response> {
    app.page(&admin, "pages/admin/jobs/bulk.html", &ListPage { acts: all(&app, &admin).await? })
}

#[derive(Serialize)]
struct ShowPage {
    live: Line,
    is_own: bool,
}

async fn show(State(app): State<App>, admin: AdminOnly, Path(id): Path<i64>) -> Result<Response> {
    let live = one(&app, admin.actor(), id).await?;
    let is_own = live.row.asked_by == Some(admin.0.id.0);
    app.page(&admin, "pages/admin/jobs/bulk_act.html", &ShowPage { live, is_own })
}

#[derive(Serialize)]
struct Fragment {
    live: Line,
}

/// What the stream shows of a bulk act.
pub(super) async fn frame(app: &App, id: i64) -> Result<Frame> {
    let live = one(app, Actor::System, id).await?;
    let is_over = !live.is_open;
    let html = app.fragment(&None::<Viewer>, "pages/admin/jobs/_bulk_act.html", &Fragment { live })?;
    Ok(Frame { html: html.into(), is_over })
}

async fn act_on_page(app: &App, admin: &AdminOnly, id: i64, deed: Deed, why: &str) -> Result<Response> {
    let done = act(app, admin, id, deed, why).await.map(|(_, told)| Flash::success(told));
    back(&format!("/admin/jobs/bulk/{id}"), done)
}

async fn approve(State(app): State<App>, admin: AdminOnly, Path(id): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, id, Deed::Approve, &why.reason).await
}

/// One press within half a minute: whoever is in such a hurry need not say why, though they may.
async fn undo(State(app): State<App>, admin: AdminOnly, Path(id): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    let why = given(&why.reason).unwrap_or_else(|| "Undone in time.".to_owned());
    act_on_page(&app, &admin, id, Deed::Undo, &why).await
}

async fn stop(State(app): State<App>, admin: AdminOnly, Path(id): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, id, Deed::Stop, &why.reason).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_told_in_words() {
        let filter = json!({ "states": ["dead"], "kind": "a.b", "arg": { "path": "order.id", "value": "17" }, "ids": [1, 2, 3, 4, 5, 6, 7, 8] });
        let words: HashMap<_, _> = in_words(&filter).into_iter().collect();
        assert_eq!((words["states"].as_str(), words["arg"].as_str()), ("dead", "order.id = 17"));
        assert_eq!(words["ids"], "1, 2, 3, 4, 5, 6, and 2 more");
    }

    #[test]
    fn an_act_is_one_of_four_and_another_time_needs_a_time() {
        let wish = |act: &str, run_at: &str| Wish { act: act.to_owned(), run_at: run_at.to_owned() }.act();
        assert!(matches!(wish("retry", ""), Ok(Act::Retry)));
        assert!(matches!(wish("reschedule", "2026-03-01T12:00"), Ok(Act::Reschedule { .. })));
        assert!(matches!(wish("reschedule", ""), Err(Error::Invalid(_))) && matches!(wish("delete", ""), Err(Error::Invalid(_))));
    }
}
