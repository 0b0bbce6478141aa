//! `/admin/jobs/schedules`: what recurs, in plain English, when it last ran and runs next; and the acts on it: run now, pause,
//! resume, other times.

use super::{Target, Why, acts::sentence, back, note, reason};
use crate::{
    App, Error, FieldErrors, Result,
    auth::AdminOnly,
    form::{Form, Path},
    page::{self, Flash},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use mywork_queue::schedule::{self, Occurrence, ScheduleError, ScheduleRow, describe};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Occurrences on the page of one schedule.
const LATEST: i64 = 20;

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/jobs/schedules", get(list))
        .route("/admin/jobs/schedules/{name}", get(show).post(edit))
        .route("/admin/jobs/schedules/{name}/run", post(run))
        .route("/admin/jobs/schedules/{name}/pause", post(pause))
        .route("/admin/jobs/schedules/{name}/resume", post(resume))
}

/// A schedule with its times in words.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Planned {
    #[serde(flatten)]
    pub row: ScheduleRow,
    pub english: String,
}

impl From<ScheduleRow> for Planned {
    fn from(row: ScheduleRow) -> Self {
        Self { english: describe(&row.cron, &row.zone), row }
    }
}

pub(super) async fn all(app: &App, admin: &AdminOnly) -> Result<Vec<Planned>> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let rows = schedule::list(&mut tx).await?;
    tx.commit().await?;
    Ok(rows.into_iter().map(Planned::from).collect())
}

#[derive(Serialize)]
struct ListPage {
    schedules: Vec<Planned>,
}

async fn list(State(app): State<App>, admin: AdminOnly) -> Result<Response> {
    app.page(&admin, "pages/admin/jobs/schedules.html", &ListPage { schedules: all(&app, &admin).await? })
}

#[derive(Serialize)]
struct ShowPage {
    schedule: Planned,
    occurrences: Vec<Occurrence>,
    typed: Times,
    errors: FieldErrors,
}

/// Other times for a schedule.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Times {
    #[serde(default)]
    pub cron: String,
    #[serde(default)]
    pub zone: String,
    #[serde(default)]
    pub reason: String,
}

async fn show(State(app): State<App>, admin: AdminOnly, Path(name): Path<String>) -> Result<Response> {
    render(&app, &admin, &name, StatusCode::OK, None, FieldErrors::new()).await
}

async fn render(
    app: &App,
    admin: &AdminOnly,
    name: &str,
    status: StatusCode,
    typed: Option<Times>,
    errors: FieldErrors,
) -> Result<Response> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let found = schedule::list(&mut tx).await?.into_iter().find(|row| row.name == name);
    let schedule = Planned::from(found.ok_or(Error::NotFound("schedule"))?);
    let occurrences = schedule::occurrences(&mut tx, name, LATEST).await?;
    tx.commit().await?;
    let as_it_is = || Times { cron: schedule.row.cron.clone(), zone: schedule.row.zone.clone(), reason: String::new() };
    let page = ShowPage { typed: typed.unwrap_or_else(as_it_is), occurrences, schedule, errors };
    app.page_with(status, admin, "pages/admin/jobs/schedule.html", &page)
}

/// What an admin does to a schedule.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Run,
    Pause,
    Resume,
    Edit { cron: String, zone: String },
}

/// Acts and records it in one transaction; answers with what to tell.
pub(super) async fn act(app: &App, admin: &AdminOnly, name: &str, deed: Deed, why: &str) -> Result<String> {
    let why = reason(why)?;
    let mut tx = app.db.begin(admin.actor()).await?;
    let before = schedule::list(&mut tx).await?.into_iter().find(|row| row.name == name).ok_or(Error::NotFound("schedule"))?;
    let target = Target { kind: "schedule", id: name };
    let (action, told, changed) = match deed {
        Deed::Run => {
            let job = schedule::run_now(&mut tx, name, app.now()).await.map_err(refused)?;
            ("schedule.run", format!("Job {job} is in line."), Some((json!({}), json!({ "job": job }))))
        }
        Deed::Pause => {
            schedule::pause(&mut tx, name).await.map_err(refused)?;
            ("schedule.pause", "The schedule is paused: nothing is enqueued until you resume it.".to_owned(), None)
        }
        Deed::Resume => {
            schedule::resume(&mut tx, name).await.map_err(refused)?;
            ("schedule.resume", "The schedule goes on with its next time.".to_owned(), None)
        }
        Deed::Edit { cron, zone } => {
            schedule::edit(&mut tx, name, &cron, &zone).await.map_err(refused)?;
            let times = |cron: &str, zone: &str| json!({ "cron": cron, "zone": zone });
            let changed = (times(&before.cron, &before.zone), times(&cron, &zone));
            ("schedule.edit", format!("From now on it runs {}.", describe(&cron, &zone)), Some(changed))
        }
    };
    note(app, &mut tx, admin, action, target, why, changed).await?;
    tx.commit().await?;
    Ok(told)
}

fn refused(error: ScheduleError) -> Error {
    match error {
        ScheduleError::NotFound(_) => Error::NotFound("schedule"),
        ScheduleError::Expression(error) => Error::invalid("cron", sentence(&error.to_string())),
        ScheduleError::Busy(_) => Error::Conflict(sentence(&error.to_string())),
        ScheduleError::Database(error) => error.into(),
        ScheduleError::Enqueue(error) => Error::Internal(anyhow::Error::new(error)),
    }
}

async fn act_on_page(app: &App, admin: &AdminOnly, name: &str, deed: Deed, why: &str) -> Result<Response> {
    back("/admin/jobs/schedules", act(app, admin, name, deed, why).await.map(Flash::success))
}

async fn run(State(app): State<App>, admin: AdminOnly, Path(name): Path<String>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, &name, Deed::Run, &why.reason).await
}

async fn pause(State(app): State<App>, admin: AdminOnly, Path(name): Path<String>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, &name, Deed::Pause, &why.reason).await
}

async fn resume(State(app): State<App>, admin: AdminOnly, Path(name): Path<String>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, &name, Deed::Resume, &why.reason).await
}

async fn edit(State(app): State<App>, admin: AdminOnly, Path(name): Path<String>, Form(times): Form<Times>) -> Result<Response> {
    let deed = Deed::Edit { cron: times.cron.trim().to_owned(), zone: times.zone.trim().to_owned() };
    match act(&app, &admin, &name, deed, &times.reason).await {
        Ok(told) => Ok(page::flash(page::see_other(&format!("/admin/jobs/schedules/{name}")), Flash::success(told))),
        Err(Error::Invalid(errors)) => render(&app, &admin, &name, StatusCode::UNPROCESSABLE_ENTITY, Some(times), errors).await,
        Err(error) => Err(error),
    }
}
