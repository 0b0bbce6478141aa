//! Steering a worker while it runs: a changed `workers.toml` is applied without a restart (JOB-24), and the process can be told
//! to take no new jobs.

use crate::{engine::Engine, groups::Group, limits, store};
use futures::FutureExt;
use std::{collections::BTreeSet, sync::Arc};

/// Of one [`Runtime`](crate::Runtime), from [`Runtime::handle`](crate::Runtime::handle). Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Engine>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handle").field(&self.0.worker()).finish()
    }
}

impl Handle {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self(engine)
    }

    /// From now on the worker goes by `group`: how many jobs it holds at once (fewer as runs end; none is cut short), what
    /// holds for its kinds, the rates, and the limits of queues. Answers what only a restart can change, a sentence each.
    ///
    /// # Errors
    /// When the database refuses the rates and limits; then the worker goes on as it was.
    pub async fn apply(&self, group: Group) -> Result<Vec<String>, sqlx::Error> {
        let engine = &self.0;
        let (worker, capacity) = (engine.worker(), i32::try_from(group.concurrency).unwrap_or(i32::MAX));
        let limits = Arc::clone(&group.limits);
        store::run(&engine.database, move |c| {
            async move {
                limits::install(c, &limits).await?;
                store::resize(c, worker, capacity).await
            }
            .boxed()
        })
        .await?;
        let before = engine.slots.number();
        engine.adopt(&group);
        tracing::info!(group = group.name, concurrency = group.concurrency, before, "the group was applied");
        Ok(left_for_a_restart(&engine.registration, &group))
    }

    /// Takes no new jobs while `quiet`; those that run go on.
    pub fn quiet(&self, quiet: bool) {
        self.0.quiet.send_if_modified(|now| std::mem::replace(&mut now.by_handle, quiet) != quiet);
    }
}

fn left_for_a_restart(running: &store::Registration, group: &Group) -> Vec<String> {
    let mut left = Vec::new();
    if running.group != group.name {
        left.push(format!("this worker is of group {}; restart it to make it one of {}", running.group, group.name));
    }
    let queues = |queues: &[String]| queues.iter().cloned().collect::<BTreeSet<_>>();
    let (now, wanted) = (queues(&running.queues), queues(&group.queues));
    let named = |queues: BTreeSet<&String>| queues.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (added, gone) = (wanted.difference(&now).collect::<BTreeSet<_>>(), now.difference(&wanted).collect::<BTreeSet<_>>());
    if !added.is_empty() {
        left.push(format!("restart this worker to make it work on {}", named(added)));
    }
    if !gone.is_empty() {
        left.push(format!("restart this worker to make it leave {}", named(gone)));
    }
    left
}
