//! `/admin/jobs/{job}`: one job with its arguments, its attempts and their logs, what it serves, the request that started it,
//! and the acts on it. While it runs, its progress and log follow on the stream `/admin/jobs/{job}/events`.

use super::{
    Why,
    acts::{self, Deed, Outcome, act},
    back,
    chart::{Stretch, Track},
    list::given,
    live::Frame,
    second,
};
use crate::{
    App, Error, FieldErrors, Result,
    auth::{AdminOnly, Viewer},
    form::{Form, Path},
    page::{self, Flash},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use http::StatusCode;
use mywork::{db::Actor, identity::people, ids::UserId};
use mywork_queue::{
    JobId,
    admin::{self, AttemptRow, JobDetail, JobRow, JobState, Progress, Relatives, live},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/jobs/{job}", get(show))
        .route("/admin/jobs/{job}/retry", post(retry))
        .route("/admin/jobs/{job}/cancel", post(cancel))
        .route("/admin/jobs/{job}/discard", post(discard))
        .route("/admin/jobs/{job}/reschedule", post(reschedule))
        .route("/admin/jobs/{job}/arguments", post(edit))
}

/// The parts of the page that change while a job runs.
#[derive(Debug, Serialize)]
pub(super) struct Changing {
    job: JobRow,
    /// The latest first.
    attempts: Vec<AttemptRow>,
    progress: Option<Progress>,
    /// Of the run in progress.
    log: Option<String>,
    track: Option<Track>,
    is_finished: bool,
}

impl Changing {
    pub fn of(detail: JobDetail, now: DateTime<Utc>) -> Self {
        let JobDetail { job, mut attempts, progress, log } = detail;
        let track = track(&job, &attempts, now);
        attempts.reverse();
        Self { is_finished: job.state.is_finished(), job, attempts, progress, log, track }
    }
}

/// A job as the stream follows it: looked at as a whole when it moved on, else only at its progress and log.
#[derive(Debug)]
pub(super) struct Following {
    job: JobId,
    seen: Option<(JobDetail, (JobState, i32, bool))>,
}

impl Following {
    pub fn new(job: JobId) -> Self {
        Self { job, seen: None }
    }

    pub async fn frame(&mut self, app: &App) -> Result<Frame> {
        let mut tx = app.db.begin(Actor::System).await?;
        let now = live::of_job(&mut tx, self.job, 0).await?.ok_or(Error::NotFound("job"))?;
        let moment = (now.state, now.lease, now.cancel_requested_at.is_some());
        let mut detail = match self.seen.take() {
            Some((detail, seen)) if seen == moment => detail,
            _ => admin::find(&mut tx, self.job).await?.ok_or(Error::NotFound("job"))?,
        };
        tx.commit().await?;
        if !detail.job.state.is_finished() {
            detail.progress = now.progress;
            detail.log = Some(now.log).filter(|log| !log.is_empty());
        }
        self.seen = Some((detail.clone(), moment));
        // The line grows by steps, or there would be something new to send at every look.
        let now = app.now().duration_trunc(TimeDelta::seconds(5)).unwrap_or(app.now());
        let live = Changing::of(detail, now);
        let is_over = live.is_finished;
        let html = app.fragment(&None::<Viewer>, "pages/admin/jobs/_detail_frame.html", &Fragment { live })?;
        Ok(Frame { html: html.into(), is_over })
    }
}

#[derive(Serialize)]
struct Fragment {
    live: Changing,
}

/// What a job's life was made of: waiting, and runs by how they ended.
fn track(job: &JobRow, attempts: &[AttemptRow], now: DateTime<Utc>) -> Option<Track> {
    let mut stretches = Vec::new();
    let mut at = job.created_at;
    let wait = |from: &mut DateTime<Utc>, until: DateTime<Utc>, stretches: &mut Vec<Stretch>| {
        if until > *from {
            stretches.push(Stretch { from: *from, until, class: "wait", says: format!("waited {}", lasting(*from, until)) });
            *from = until;
        }
    };
    for run in attempts {
        wait(&mut at, run.started_at, &mut stretches);
        let class = match run.outcome.as_str() {
            "done" => "done",
            "snoozed" | "throttled" | "handed_back" => "back",
            _ => "failed",
        };
        let says =
            format!("attempt {}: {}, {}", run.attempt, run.outcome.replace('_', " "), lasting(run.started_at, run.ended_at));
        stretches.push(Stretch { from: run.started_at, until: run.ended_at, class, says });
        at = at.max(run.ended_at);
    }
    match (job.state, job.started_at) {
        (JobState::Running, Some(started)) => {
            wait(&mut at, started, &mut stretches);
            stretches.push(Stretch { from: started, until: now.max(started), class: "run", says: "running".to_owned() });
        }
        _ if job.state.is_finished() => {
            // A job that was cancelled or expired while it waited.
            if attempts.is_empty() {
                wait(&mut at, job.finished_at.unwrap_or(now), &mut stretches);
            }
        }
        _ => wait(&mut at, now, &mut stretches),
    }
    Track::of(stretches)
}

/// `3.2 s`, `4 min`, `2.5 h`: one number, as a person would say it.
pub(super) fn lasting(from: DateTime<Utc>, until: DateTime<Utc>) -> String {
    let millis = (until - from).num_milliseconds().max(0);
    let tenths = |unit: i64, name: &str| {
        let tenths = millis * 10 / unit;
        if tenths % 10 == 0 || tenths >= 1_000 {
            format!("{} {name}", tenths / 10)
        } else {
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    };
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..120_000 => tenths(1_000, "s"),
        120_000..7_200_000 => tenths(60_000, "min"),
        7_200_000..172_800_000 => tenths(3_600_000, "h"),
        _ => tenths(86_400_000, "days"),
    }
}

#[derive(Serialize)]
struct ShowPage {
    live: Changing,
    args: String,
    /// Where its business object is looked at, if it has a page.
    subject_page: Option<String>,
    /// Jobs of the same object.
    subject_jobs: Option<String>,
    request: Option<Request>,
    actor: Option<Person>,
    relatives: Relatives,
    is_guarded: bool,
    errors: FieldErrors,
    /// What was typed into a form that was refused.
    typed: Typed,
}

/// The request or run that began the trace a job belongs to.
#[derive(Serialize)]
struct Request {
    /// As on its log lines and in `x-request-id`.
    id: String,
    at: Option<DateTime<Utc>>,
}

impl Request {
    /// Reads a W3C `traceparent`, whose trace is named after the request.
    fn of(trace: &str) -> Option<Self> {
        let id = trace.split('-').nth(1).filter(|id| id.len() == 32)?.to_owned();
        let at = Uuid::try_parse(&id).ok().and_then(|id| id.get_timestamp()).map(|time| time.to_unix());
        let at = at.and_then(|(seconds, nanos)| DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos));
        Some(Self { id, at })
    }
}

#[derive(Serialize)]
struct Person {
    id: UserId,
    username: String,
}

#[derive(Default, Serialize)]
struct Typed {
    arguments: Option<String>,
    reason: String,
}

async fn show(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>) -> Result<Response> {
    render(&app, &admin, JobId(job), StatusCode::OK, Typed::default(), FieldErrors::new()).await
}

async fn render(
    app: &App,
    admin: &AdminOnly,
    job: JobId,
    status: StatusCode,
    typed: Typed,
    errors: FieldErrors,
) -> Result<Response> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let detail = admin::find(&mut tx, job).await?.ok_or(Error::NotFound("job"))?;
    let actor = match detail.job.actor {
        Some(id) => people::find(&mut tx, UserId(id)).await?.map(|person| Person { id: UserId(id), username: person.username }),
        None => None,
    };
    let relatives = admin::relatives(&mut tx, job).await?.unwrap_or_default();
    tx.commit().await?;
    let serves = detail.job.subject_kind.as_deref().zip(detail.job.subject_id.as_deref());
    let page = ShowPage {
        args: serde_json::to_string_pretty(&detail.job.args).map_err(anyhow::Error::from)?,
        subject_page: serves.and_then(|(kind, id)| subject_page(kind, id)),
        subject_jobs: serves.map(|(kind, id)| super::serving::list_of(kind, id)),
        request: detail.job.trace.as_deref().and_then(Request::of),
        actor,
        relatives,
        is_guarded: second::is_guarded(&detail.job.kind),
        live: Changing::of(detail, app.now()),
        errors,
        typed,
    };
    app.page_with(status, admin, "pages/admin/jobs/detail.html", &page)
}

/// Where a business object is looked at.
fn subject_page(kind: &str, id: &str) -> Option<String> {
    let area = match kind {
        "order" => "orders",
        "user" => "users",
        "version" => "approvals",
        _ => return None,
    };
    Some(format!("/admin/{area}/{id}"))
}

const PROPOSED: &str = "A second admin has to approve this, since it is about a payout.";

async fn act_on_page(app: &App, admin: &AdminOnly, job: i64, deed: Result<Deed>, why: &str) -> Result<Response> {
    let done = match deed {
        Ok(deed) => act(app, admin, JobId(job), deed, why).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(Outcome::Proposed(proposal)) => back(&format!("/admin/jobs/bulk/{proposal}"), Ok(Flash::info(PROPOSED))),
        Ok(Outcome::Done(told)) => back(&format!("/admin/jobs/{job}"), Ok(Flash::success(told))),
        Err(error) => back(&format!("/admin/jobs/{job}"), Err(error)),
    }
}

async fn retry(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, job, Ok(Deed::Retry), &why.reason).await
}

async fn cancel(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, job, Ok(Deed::Cancel), &why.reason).await
}

async fn discard(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>, Form(why): Form<Why>) -> Result<Response> {
    act_on_page(&app, &admin, job, Ok(Deed::Discard), &why.reason).await
}

#[derive(Deserialize)]
struct When {
    #[serde(default)]
    run_at: String,
    #[serde(default)]
    reason: String,
}

async fn reschedule(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>, Form(when): Form<When>) -> Result<Response> {
    act_on_page(&app, &admin, job, acts::time("run_at", when.run_at.trim()).map(Deed::Reschedule), &when.reason).await
}

#[derive(Deserialize)]
struct Edited {
    #[serde(default)]
    arguments: String,
    #[serde(default)]
    reason: String,
}

/// What was typed is not lost: the page comes again with it, and with what is wrong.
async fn edit(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>, Form(edited): Form<Edited>) -> Result<Response> {
    let deed = acts::arguments(&edited.arguments).map(Deed::Edit);
    let done = match deed {
        Ok(deed) => act(&app, &admin, JobId(job), deed, &edited.reason).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(Outcome::Done(told)) => Ok(page::flash(page::see_other(&format!("/admin/jobs/{job}")), Flash::success(told))),
        Ok(Outcome::Proposed(proposal)) => back(&format!("/admin/jobs/bulk/{proposal}"), Ok(Flash::info(PROPOSED))),
        Err(Error::Invalid(errors)) => {
            let typed = Typed { arguments: given(&edited.arguments), reason: edited.reason };
            render(&app, &admin, JobId(job), StatusCode::UNPROCESSABLE_ENTITY, typed, errors).await
        }
        Err(error) => back(&format!("/admin/jobs/{job}"), Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_of_ours_names_its_request_and_the_time() {
        let id = Uuid::now_v7().simple().to_string();
        let request = Request::of(&format!("00-{id}-b7ad6b7169203331-01")).expect("a trace");
        assert_eq!(request.id, id);
        assert!(request.at.is_some_and(|at| (Utc::now() - at).num_seconds() < 5));
        assert!(Request::of("nonsense").is_none());
        assert!(Request::of("00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01").is_some_and(|other| other.at.is_none()));
    }

    #[test]
    fn a_time_span_is_one_number() {
        let from = DateTime::from_timestamp(0, 0).expect("a time");
        let after = |millis| lasting(from, from + TimeDelta::milliseconds(millis));
        assert_eq!([after(12), after(3_250), after(90_000), after(600_000)], ["12 ms", "3.2 s", "90 s", "10 min"]);
        assert_eq!([after(9_000_000), after(864_000_000)], ["2.5 h", "10 days"]);
    }
}
