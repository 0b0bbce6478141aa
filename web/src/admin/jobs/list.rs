//! `/admin/jobs/list`: every job by state, queue, kind, argument, tag, worker, time, error, and what it serves; the newest first,
//! by keyset. What is asked for is in the address, so that a finding can be sent to a colleague, and acted on as a whole.

use super::acts::{sentence, time};
use crate::{App, Error, FieldErrors, Result, auth::AdminOnly, form::Query, openapi::Cursor};
use axum::{Router, extract::State, response::Response, routing::get};
use chrono::{DateTime, Utc};
use mywork_queue::{
    JobId, Subject,
    admin::{self, Found, JobFilter, JobRow, JobState},
};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Rows of a page.
pub(super) const ROWS: u32 = 50;

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new().route("/admin/jobs/list", get(list))
}

/// What a list is narrowed to; an empty text does not narrow.
#[derive(Clone, Debug, Default, Deserialize, Serialize, utoipa::IntoParams, utoipa::ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = JobsAsked)]
#[serde(default)]
pub(super) struct Asked {
    /// `scheduled`, `available`, `held`, `running`, `done`, `dead`, `cancelled`, `expired` or `quarantined`.
    pub state: String,
    pub queue: String,
    pub kind: String,
    /// An argument and its value: `order.id = 17`.
    pub arg: String,
    /// Kind of the business object it serves, as `order`.
    pub subject_kind: String,
    pub subject_id: String,
    /// A word it is tagged with.
    pub tag: String,
    /// Id of a worker that ran it.
    pub worker: String,
    /// Over, or due, since this time.
    pub from: String,
    /// Over, or due, before this time.
    pub to: String,
    /// Part of the last error.
    pub error: String,
    /// Fingerprint of an error that one of its runs ended in.
    pub fingerprint: String,
    /// Id of the person who caused it.
    pub actor: String,
    /// Number of the workflow it belongs to.
    pub workflow: String,
}

impl Asked {
    /// The same as the queue understands it.
    ///
    /// # Errors
    /// Names what cannot be understood.
    pub fn filter(&self) -> Result<JobFilter> {
        let states = match given(&self.state) {
            Some(state) => vec![state.parse::<JobState>().map_err(|why| Error::invalid("state", sentence(&why)))?],
            None => Vec::new(),
        };
        let at = |field, text: &str| given(text).map(|text| time(field, &text)).transpose();
        Ok(JobFilter {
            states,
            queue: given(&self.queue),
            kind: given(&self.kind),
            subject: given(&self.subject_kind).zip(given(&self.subject_id)).map(|(kind, id)| Subject::new(kind, id)),
            tag: given(&self.tag),
            error: given(&self.error),
            arg: read("arg", &self.arg, |why: String| sentence(&why))?,
            worker: read("worker", &self.worker, |_| "This is no worker's id.".to_owned())?,
            from: at("from", &self.from)?,
            to: at("to", &self.to)?,
            fingerprint: given(&self.fingerprint),
            actor: read("actor", &self.actor, |_| "This is no person's id.".to_owned())?,
            workflow: read("workflow", &self.workflow, |_| "This is no workflow's number.".to_owned())?,
            ..JobFilter::default()
        })
    }

    /// As part of an address, without what does not narrow.
    pub fn query(&self) -> String {
        let query = serde_urlencoded::to_string(self).unwrap_or_default();
        query.split('&').filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("&")
    }

    /// As hidden fields of a form that acts on what is found.
    pub fn fields(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query().as_bytes()).into_owned().collect()
    }

    /// Whether anything beside state, kind and queue narrows.
    fn is_detailed(&self) -> bool {
        let plain = Self { state: self.state.clone(), kind: self.kind.clone(), queue: self.queue.clone(), ..Self::default() };
        self.query() != plain.query()
    }
}

/// What a field says, if it says anything.
fn read<T: FromStr>(field: &str, text: &str, why: impl Fn(T::Err) -> String) -> Result<Option<T>> {
    given(text).map(|text| text.parse().map_err(|error| Error::invalid(field, why(error)))).transpose()
}

pub(super) fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The page of the list that begins after `cursor`.
pub(super) async fn find(app: &App, admin: &AdminOnly, asked: &Asked, cursor: &str, limit: u32) -> Result<Found> {
    let before = if cursor.is_empty() { None } else { Some(JobId(Cursor::<i64>::decode(cursor)?.0)) };
    let filter = JobFilter { before, limit, ..asked.filter()? };
    let mut tx = app.db.begin(admin.actor()).await?;
    let found = admin::search(&mut tx, &filter).await?;
    tx.commit().await?;
    Ok(found)
}

/// The address of the page of a list that begins after `cursor`.
pub(super) fn page_of(list: &str, query: &str, cursor: &str) -> String {
    let cursor = if cursor.is_empty() { String::new() } else { format!("cursor={cursor}") };
    format!("{list}?{}", [query, &cursor].join("&").trim_matches('&'))
}

/// Where the next page begins.
pub(super) fn next(found: &Found) -> Option<String> {
    found.next.map(|job| Cursor(job.0).encode())
}

#[derive(Serialize)]
struct ListPage {
    asked: Asked,
    states: Vec<Choice>,
    kinds: Vec<String>,
    queues: Vec<String>,
    jobs: Vec<JobRow>,
    next: String,
    first_page: String,
    /// The page is not full because only jobs since then have been looked at.
    looked_back_to: Option<DateTime<Utc>>,
    /// The filter as hidden fields, for acting on all that it finds.
    fields: Vec<(String, String)>,
    errors: FieldErrors,
    is_narrowed: bool,
    is_detailed: bool,
}

/// A state to choose, with what it is called.
#[derive(Serialize)]
struct Choice {
    state: &'static str,
    /// The list in this state, otherwise as it is.
    address: String,
    is_chosen: bool,
}

async fn list(
    State(app): State<App>,
    admin: AdminOnly,
    Query(asked): Query<Asked>,
    Query(Page { cursor }): Query<Page>,
) -> Result<Response> {
    let (found, errors) = match find(&app, &admin, &asked, &cursor, ROWS).await {
        Ok(found) => (found, FieldErrors::new()),
        Err(Error::Invalid(errors)) => (Found { jobs: Vec::new(), next: None, looked_back_to: None }, errors),
        Err(error) => return Err(error),
    };
    let mut tx = app.db.begin(admin.actor()).await?;
    let overview = admin::overview(&mut tx).await?;
    tx.commit().await?;
    let address = |cursor: &str| page_of("/admin/jobs/list", &asked.query(), cursor);
    let of_state = |state: &'static str| Choice {
        state,
        address: format!("/admin/jobs/list?{}", Asked { state: state.to_owned(), ..asked.clone() }.query()),
        is_chosen: asked.state == state,
    };
    let query = asked.query();
    let page = ListPage {
        states: [""].into_iter().chain(JobState::ALL.map(JobState::as_str)).map(of_state).collect(),
        kinds: overview.kinds.into_iter().map(|kind| kind.kind).collect(),
        queues: overview.queues.into_iter().map(|queue| queue.name).collect(),
        next: next(&found).as_deref().map(&address).unwrap_or_default(),
        first_page: if cursor.is_empty() { String::new() } else { address("") },
        is_narrowed: !query.is_empty(),
        is_detailed: asked.is_detailed(),
        fields: asked.fields(),
        looked_back_to: found.looked_back_to,
        jobs: found.jobs,
        asked,
        errors,
    };
    app.page(&admin, "pages/admin/jobs/list.html", &page)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    cursor: String,
}
