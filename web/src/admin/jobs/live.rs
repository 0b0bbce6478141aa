//! Pages that follow what happens (JOB-19). Whoever watches a topic, the overview or one job, shares one look at the database:
//! the first watcher starts it, the last one's leaving ends it, and each look that found something new is sent to all of them
//! as HTML, the page's changing parts.
//!
//! A person watches at most six streams at once, as many as a browser opens to one address. A stream ends after five minutes, so
//! that whoever comes back is asked again who they are; when the process stops; and when nothing more can happen.

use super::{bulk, detail::Following, overview, workflows};
use crate::{App, Error, Result, auth::AdminOnly, form::Path};
use axum::{
    Router,
    extract::State,
    response::sse::{Event, KeepAlive, KeepAliveStream, Sse},
    routing::get,
};
use futures::{Stream, stream};
use mywork::ids::UserId;
use mywork_queue::JobId;
use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

const LONGEST: Duration = Duration::from_secs(300);
const MOST_STREAMS: usize = 6;

/// Pages of this part.
pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/jobs/events", get(of_overview))
        .route("/admin/jobs/{job}/events", get(of_job))
        .route("/admin/jobs/bulk/{act}/events", get(of_bulk))
        .route("/admin/jobs/workflows/{workflow}/events", get(of_workflow))
}

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Overview,
    Job(JobId),
    Bulk(i64),
    Workflow(i64),
}

impl Topic {
    /// How often to look: a log line is on the page within a second of being written.
    fn every(self) -> Duration {
        match self {
            Self::Overview | Self::Bulk(_) | Self::Workflow(_) => Duration::from_secs(1),
            Self::Job(_) => Duration::from_millis(250),
        }
    }
}

/// What the watchers of a topic are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    /// The parts of the page that change.
    pub html: Arc<str>,
    /// Nothing more will happen by itself.
    pub is_over: bool,
}

/// Who watches what in this process.
#[derive(Debug, Default)]
pub struct Live(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    feeds: HashMap<Topic, watch::Sender<Frame>>,
    people: HashMap<UserId, usize>,
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a frame to whoever watches, if it says something new; without one, what is shown stays. Answers whether to go on:
    /// a feed that is over or watched by nobody ends here, under the lock, so that nobody joins one that has just ended.
    fn show(&self, topic: Topic, frame: Option<Frame>) -> bool {
        let mut watched = self.lock();
        let Some(feed) = watched.feeds.get(&topic) else { return false };
        let is_over = frame.as_ref().is_some_and(|frame| frame.is_over);
        if let Some(frame) = frame {
            feed.send_if_modified(|shown| {
                let is_new = *shown != frame;
                *shown = frame;
                is_new
            });
        }
        let goes_on = !is_over && feed.receiver_count() > 0;
        if !goes_on {
            watched.feeds.remove(&topic);
        }
        goes_on
    }
}

/// Somebody's place among the watchers, given back when the stream goes.
struct Seat {
    app: App,
    person: UserId,
}

impl Seat {
    fn take(app: &App, person: UserId) -> Result<Self> {
        let mut watched = app.live.lock();
        let taken = watched.people.entry(person).or_default();
        if *taken >= MOST_STREAMS {
            return Err(Error::TooMany { retry_after: Duration::from_secs(10) });
        }
        *taken += 1;
        drop(watched);
        Ok(Self { app: app.clone(), person })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut watched = self.app.live.lock();
        if let Some(taken) = watched.people.get_mut(&self.person) {
            *taken -= 1;
            if *taken == 0 {
                watched.people.remove(&self.person);
            }
        }
    }
}

/// What a topic shows from now on. Starts looking at it when nobody did.
fn watch(app: &App, topic: Topic) -> watch::Receiver<Frame> {
    let mut watched = app.live.lock();
    if let Some(feed) = watched.feeds.get(&topic) {
        return feed.subscribe();
    }
    let (sender, receiver) = watch::channel(Frame::default());
    watched.feeds.insert(topic, sender);
    drop(watched);
    tokio::spawn(look(app.clone(), topic));
    receiver
}

/// Looks at a topic for as long as somebody watches.
async fn look(app: App, topic: Topic) {
    let mut following = None;
    loop {
        let next = Instant::now() + topic.every();
        let frame = match topic {
            Topic::Overview => overview::frame(&app).await,
            Topic::Job(job) => following.get_or_insert_with(|| Following::new(job)).frame(&app).await,
            Topic::Bulk(act) => bulk::frame(&app, act).await,
            Topic::Workflow(id) => workflows::frame(&app, id).await,
        };
        if let Err(error) = &frame {
            tracing::warn!(%error, ?topic, "what is watched could not be looked at");
        }
        if !app.live.show(topic, frame.ok()) {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = app.shutdown.cancelled() => {
                app.live.lock().feeds.remove(&topic);
                return;
            }
        }
    }
}

type Parts = Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>;
type Events = Sse<KeepAliveStream<Parts>>;

/// The stream of a topic for one person.
pub(super) fn events(app: &App, admin: &AdminOnly, topic: Topic) -> Result<Events> {
    let seat = Seat::take(app, admin.0.id)?;
    let mut frames = watch(app, topic);
    frames.mark_changed();
    let until = Instant::now() + LONGEST;
    let parts = stream::unfold((frames, seat, false), move |(mut frames, seat, was_over)| async move {
        if was_over {
            return None;
        }
        loop {
            tokio::time::timeout_at(until, frames.changed()).await.ok()?.ok()?;
            let frame = frames.borrow_and_update().clone();
            if frame.html.is_empty() {
                continue;
            }
            // A carriage return cannot be sent in an event, and HTML does not miss it.
            let event = Event::default().event(if frame.is_over { "over" } else { "parts" }).data(frame.html.replace('\r', ""));
            return Some((Ok(event), (frames, seat, frame.is_over)));
        }
    });
    let parts: Parts = Box::pin(parts);
    Ok(Sse::new(parts).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

async fn of_overview(State(app): State<App>, admin: AdminOnly) -> Result<Events> {
    events(&app, &admin, Topic::Overview)
}

async fn of_job(State(app): State<App>, admin: AdminOnly, Path(job): Path<i64>) -> Result<Events> {
    events(&app, &admin, Topic::Job(JobId(job)))
}

async fn of_bulk(State(app): State<App>, admin: AdminOnly, Path(act): Path<i64>) -> Result<Events> {
    events(&app, &admin, Topic::Bulk(act))
}

async fn of_workflow(State(app): State<App>, admin: AdminOnly, Path(id): Path<i64>) -> Result<Events> {
    events(&app, &admin, Topic::Workflow(id))
}
