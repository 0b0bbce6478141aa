//! Writing a workflow down. It reads like what it describes, and a cycle cannot be written: a step names what it comes
//! after by handles, and there are handles only of steps already there.
//!
//! Nothing here fails on the spot: what is wrong with a definition is told by [`Workflow::start`], before anything is stored.

use crate::{
    enqueue::NewJob,
    job::{Job, Subject},
    options::Options,
    workflow::{StartError, StepKind},
};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use uuid::Uuid;

/// Steps and what they wait for.
///
/// ```
/// # use mywork_queue::{Job, workflow::{Deadline, StartError, Started, Workflow}};
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// # #[derive(Serialize, Deserialize)] struct Scan; impl Job for Scan { const KIND: &'static str = "scan"; }
/// # #[derive(Serialize, Deserialize)] struct Draw; impl Job for Draw { const KIND: &'static str = "draw"; }
/// # #[derive(Serialize, Deserialize)] struct Release; impl Job for Release { const KIND: &'static str = "release"; }
/// # async fn publish(tx: &mut sqlx::PgConnection) -> Result<Started, StartError> {
/// let mut flow = Workflow::new("catalog.publish").unique(17);
/// let scan = flow.step("scan", &Scan);
/// let images = flow.step("images", &Draw);
/// let approval = flow.after([scan, images]).event("approval").within(Duration::from_secs(7 * 86_400), Deadline::Fail);
/// flow.after(approval).step("release", &Release);
/// flow.start(tx).await
/// # }
/// ```
#[derive(Debug)]
pub struct Workflow {
    pub(super) name: String,
    pub(super) unique_key: Option<String>,
    pub(super) subject: Option<Subject>,
    pub(super) on_failure: OnFailure,
    pub(super) actor: Option<Uuid>,
    pub(super) steps: Vec<Definition>,
    /// Tells its handles from those of others.
    mark: u64,
    fault: Option<StartError>,
}

/// A step of the workflow that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    flow: u64,
    index: usize,
}

#[derive(Debug)]
pub(super) struct Definition {
    pub name: String,
    pub needs: Vec<usize>,
    pub work: Work,
    pub undo: Option<NewJob>,
}

#[derive(Debug)]
pub(super) enum Work {
    Job(Box<NewJob>),
    /// Of this kind; the jobs, when they are known already.
    FanOut(&'static str, Option<Vec<NewJob>>),
    Event(Option<(Duration, Deadline)>),
    Sleep(Duration),
    Workflow(Box<Workflow>),
}

impl Work {
    pub(super) fn kind(&self) -> StepKind {
        match self {
            Self::Job(_) => StepKind::Job,
            Self::FanOut(..) => StepKind::FanOut,
            Self::Event(_) => StepKind::Event,
            Self::Sleep(_) => StepKind::Sleep,
            Self::Workflow(_) => StepKind::Workflow,
        }
    }
}

/// What happens when an event does not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Its step fails, and with it the workflow.
    Fail,
    /// Its step is done, without a payload.
    GoOn,
}

impl Deadline {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::GoOn => "go_on",
        }
    }
}

/// What happens when a step fails. Only the outermost workflow is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The workflow waits until a person has it resumed, undone or cancelled.
    #[default]
    Wait,
    /// What was done is undone at once, the latest first.
    Undo,
}

impl OnFailure {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Undo => "undo",
        }
    }
}

/// One step, or several.
pub trait Steps {
    /// Them.
    fn into_steps(self) -> Vec<Step>;
}

impl Steps for Step {
    fn into_steps(self) -> Vec<Step> {
        vec![self]
    }
}

impl<const N: usize> Steps for [Step; N] {
    fn into_steps(self) -> Vec<Step> {
        self.into()
    }
}

impl Steps for &[Step] {
    fn into_steps(self) -> Vec<Step> {
        self.to_vec()
    }
}

impl Steps for Vec<Step> {
    fn into_steps(self) -> Vec<Step> {
        self
    }
}

impl Workflow {
    /// An empty workflow. Its name, `area.act`, is what people know it by.
    pub fn new(name: impl Into<String>) -> Self {
        static MARK: AtomicU64 = AtomicU64::new(0);
        Self {
            name: name.into(),
            unique_key: None,
            subject: None,
            on_failure: OnFailure::default(),
            actor: None,
            steps: Vec::new(),
            mark: MARK.fetch_add(1, Relaxed),
            fault: None,
        }
    }

    /// The business object it serves. Its jobs serve it too, unless they say otherwise.
    #[must_use]
    pub fn subject(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// At most one unfinished workflow of this name with this key: starting another returns the one that is there. Of a
    /// workflow within another this is not asked.
    #[must_use]
    pub fn unique(mut self, key: impl ToString) -> Self {
        self.unique_key = Some(key.to_string());
        self
    }

    /// What happens when a step fails.
    #[must_use]
    pub fn on_failure(mut self, then: OnFailure) -> Self {
        self.on_failure = then;
        self
    }

    /// Caused by this person. Absent: by whom the work in progress is done.
    #[must_use]
    pub fn actor(mut self, actor: Uuid) -> Self {
        self.actor = Some(actor);
        self
    }

    /// What follows begins when all of `steps` are done. Without it a step begins at once.
    pub fn after(&mut self, steps: impl Steps) -> After<'_> {
        let steps = steps.into_steps();
        if steps.iter().any(|step| step.flow != self.mark) {
            self.blame(StartError::StepOfAnother(self.name.clone()));
        }
        let mut needs: Vec<usize> = steps.into_iter().map(|step| step.index).collect();
        needs.sort_unstable();
        needs.dedup();
        After { flow: self, needs }
    }

    /// See [`After::step`].
    pub fn step<J: Job>(&mut self, name: impl Into<String>, job: &J) -> Step {
        self.after([]).step(name, job)
    }

    /// See [`After::step_with`].
    pub fn step_with<J: Job>(&mut self, name: impl Into<String>, job: &J, options: Options) -> Step {
        self.after([]).step_with(name, job, options)
    }

    /// See [`After::fan_out`].
    pub fn fan_out<J: Job>(&mut self, name: impl Into<String>, jobs: &[J]) -> Step {
        self.after([]).fan_out(name, jobs)
    }

    /// See [`After::event`].
    pub fn event(&mut self, name: impl Into<String>) -> EventStep<'_> {
        self.after([]).event(name)
    }

    /// See [`After::sleep`].
    pub fn sleep(&mut self, name: impl Into<String>, time: Duration) -> Step {
        self.after([]).sleep(name, time)
    }

    /// See [`After::workflow`].
    pub fn workflow(&mut self, name: impl Into<String>, other: Workflow) -> Step {
        self.after([]).workflow(name, other)
    }

    /// When the workflow is undone, `job` undoes what `step` did. Of a fan-out that failed half-way, too.
    pub fn undo<J: Job>(&mut self, step: Step, job: &J) -> &mut Self {
        match (NewJob::of(job, Options::default()), self.steps.get_mut(step.index)) {
            (Ok(job), Some(definition)) if step.flow == self.mark => definition.undo = Some(job),
            (Err(error), _) => self.blame(error.into()),
            _ => self.blame(StartError::StepOfAnother(self.name.clone())),
        }
        self
    }

    /// Whether it can be started.
    pub(super) fn check(&mut self) -> Result<(), StartError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if self.steps.is_empty() {
            return Err(StartError::Empty(self.name.clone()));
        }
        let mut names = HashSet::new();
        for step in &mut self.steps {
            if !names.insert(step.name.clone()) {
                return Err(StartError::TwoOfAName { workflow: self.name.clone(), step: step.name.clone() });
            }
            if let Work::Workflow(within) = &mut step.work {
                within.check()?;
            }
        }
        Ok(())
    }

    /// Only the first fault is told.
    fn blame(&mut self, fault: StartError) {
        self.fault.get_or_insert(fault);
    }
}

/// A place in a workflow, to add one step at.
#[derive(Debug)]
#[must_use = "nothing comes after these steps until a step is added"]
pub struct After<'a> {
    flow: &'a mut Workflow,
    needs: Vec<usize>,
}

impl<'a> After<'a> {
    /// A step of one job. When a job with its unique key is there already, the step is done by that one, whatever becomes of it.
    pub fn step<J: Job>(self, name: impl Into<String>, job: &J) -> Step {
        self.step_with(name, job, Options::default())
    }

    /// A step of one job, with the caller's options.
    pub fn step_with<J: Job>(self, name: impl Into<String>, job: &J, options: Options) -> Step {
        match NewJob::of(job, options) {
            Ok(job) => self.add(name, Work::Job(Box::new(job))),
            Err(error) => self.faulty(error.into()),
        }
    }

    /// A step of many jobs, done when all of them are. With none it is done at once.
    pub fn fan_out<J: Job>(self, name: impl Into<String>, jobs: &[J]) -> Step {
        match jobs.iter().map(|job| NewJob::of(job, Options::default())).collect() {
            Ok(jobs) => self.add(name, Work::FanOut(J::KIND, Some(jobs))),
            Err(error) => self.faulty(StartError::from(error)),
        }
    }

    /// A step of many jobs that one of the steps before it will know: its handler calls
    /// [`Context::spawn`](crate::Context::spawn), with no jobs when there are none.
    pub fn fan_out_later<J: Job>(self, name: impl Into<String>) -> Step {
        self.add(name, Work::FanOut(J::KIND, None))
    }

    /// A step that waits until somebody says that `name` has happened, by [`signal`](crate::workflow::signal).
    pub fn event(self, name: impl Into<String>) -> EventStep<'a> {
        EventStep { after: self, name: name.into() }
    }

    /// A step that lets `time` pass, from when the steps before it are done. No process waits meanwhile.
    pub fn sleep(self, name: impl Into<String>, time: Duration) -> Step {
        self.add(name, Work::Sleep(time))
    }

    /// A step that is another workflow, done when that is. When it fails this one does; either can be resumed.
    pub fn workflow(self, name: impl Into<String>, other: Workflow) -> Step {
        self.add(name, Work::Workflow(Box::new(other)))
    }

    fn faulty(self, fault: StartError) -> Step {
        self.flow.blame(fault);
        Step { flow: self.flow.mark, index: 0 }
    }

    fn add(self, name: impl Into<String>, work: Work) -> Step {
        self.flow.steps.push(Definition { name: name.into(), needs: self.needs, work, undo: None });
        Step { flow: self.flow.mark, index: self.flow.steps.len() - 1 }
    }
}

/// An event somebody waits for; it wants to be told for how long.
#[derive(Debug)]
#[must_use = "say how long the event is waited for: `within` or `whenever`"]
pub struct EventStep<'a> {
    after: After<'a>,
    name: String,
}

impl EventStep<'_> {
    /// Waits at most `time`, from when the steps before it are done.
    pub fn within(self, time: Duration, deadline: Deadline) -> Step {
        self.after.add(self.name, Work::Event(Some((time, deadline))))
    }

    /// Waits for as long as it takes.
    pub fn whenever(self) -> Step {
        self.after.add(self.name, Work::Event(None))
    }
}
