//! What the handler of a step sees of its workflow: what the steps before it answered, and the fan-outs it is to fill.

use crate::{
    enqueue::NewJob,
    handler::Context,
    job::Job,
    options::Options,
    workflow::{FlowError, Produces, StepState, WorkflowId, start},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

/// What [`Context::spawn`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spawned {
    /// Whether the jobs are those just given; otherwise the fan-out was filled before, by an earlier run.
    pub fresh: bool,
}

/// A step as its successors read it.
struct Answer {
    /// Kind of its job.
    of: Option<String>,
    output: Option<Value>,
}

impl<S> Context<S> {
    /// The workflow the job is part of.
    pub fn workflow(&self) -> Option<WorkflowId> {
        self.place.as_ref().map(|place| WorkflowId(place.workflow))
    }

    /// What the step `step`, whose job is a `J`, answered.
    ///
    /// # Errors
    /// When there is no such step of that kind before this one, or it answered nothing.
    pub async fn output<J: Produces>(&self, step: &str) -> Result<J::Output, FlowError> {
        let (pool, workflow) = self.within("outputs")?;
        let answer = find(pool, workflow, step, "job").await?;
        let none = |why: &str| FlowError::NoOutput { step: step.to_owned(), kind: J::KIND, why: why.to_owned() };
        if answer.of.as_deref() != Some(J::KIND) {
            return Err(none(&format!("its job is a {}", answer.of.unwrap_or_default())));
        }
        let output = answer.output.ok_or_else(|| none("it is not done, or its handler answered without one"))?;
        serde_json::from_value(output).map_err(|error| none(&error.to_string()))
    }

    /// What the children of the fan-out `step`, which are `J`s, answered, in their order. Children that answered nothing are
    /// left out.
    ///
    /// # Errors
    /// When there is no such fan-out of that kind.
    pub async fn outputs<J: Produces>(&self, step: &str) -> Result<Vec<J::Output>, FlowError> {
        let (pool, workflow) = self.within("outputs")?;
        let answer = find(pool, workflow, step, "fan_out").await?;
        let none = |why: &str| FlowError::NoOutput { step: step.to_owned(), kind: J::KIND, why: why.to_owned() };
        if answer.of.as_deref() != Some(J::KIND) {
            return Err(none(&format!("its jobs are {}", answer.of.unwrap_or_default())));
        }
        let outputs = sqlx::query_scalar!(
            "SELECT output FROM queue.outputs WHERE workflow_id = $1 AND step = $2 ORDER BY child",
            workflow.0,
            step,
        )
        .fetch_all(pool)
        .await?;
        let read = |output| serde_json::from_value(output).map_err(|error| none(&error.to_string()));
        outputs.into_iter().map(read).collect()
    }

    /// What came with the event `event`; nothing when its deadline passed, or it has not come.
    ///
    /// # Errors
    /// When there is no such event, or what came with it is something else.
    pub async fn event<T: DeserializeOwned>(&self, event: &str) -> Result<Option<T>, FlowError> {
        let (pool, workflow) = self.within("events")?;
        let answer = find(pool, workflow, event, "event").await?;
        Ok(answer.output.map(serde_json::from_value).transpose()?)
    }

    /// Says what the fan-out `step` consists of, on the handler's own transaction. It begins when the steps before it are done,
    /// so normally right after this job. Once: a second run of the handler changes nothing, whatever it gives.
    ///
    /// # Errors
    /// When the workflow has no such fan-out of jobs of this kind, or the database refuses.
    pub async fn spawn<J: Job>(&self, c: &mut PgConnection, step: &str, jobs: &[J]) -> Result<Spawned, FlowError> {
        let Some(workflow) = self.workflow() else { return Err(FlowError::NoWorkflow("fan-outs")) };
        let refused = |why: String| FlowError::NotToBeFilled { workflow, step: step.to_owned(), why };
        let fan_out = sqlx::query!(
            r#"
            SELECT state AS "state: StepState", job ->> 'kind' AS kind, coalesce((job ->> 'later')::boolean, false) AS "is_later!"
            FROM queue.steps
            WHERE workflow_id = $1 AND name = $2 AND kind = 'fan_out'
            "#,
            workflow.0,
            step,
        )
        .fetch_optional(&mut *c)
        .await?
        .ok_or_else(|| FlowError::NoSuchStep { workflow, what: "fan-out", step: step.to_owned() })?;
        if !fan_out.is_later {
            return Err(refused("its jobs were given when the workflow was started".to_owned()));
        }
        if fan_out.kind.as_deref() != Some(J::KIND) {
            return Err(refused(format!("its jobs are {}, not {}", fan_out.kind.unwrap_or_default(), J::KIND)));
        }
        // One that failed because nobody had filled it can be filled by running this job again, and then be resumed.
        if !matches!(fan_out.state, StepState::Blocked | StepState::Failed) {
            return Ok(Spawned { fresh: false });
        }
        let jobs = jobs.iter().map(|job| NewJob::of(job, Options::default())).collect::<Result<Vec<_>, _>>()?;
        Ok(Spawned { fresh: start::fill(c, workflow.0, step, &jobs).await? })
    }

    fn within(&self, what: &'static str) -> Result<(&PgPool, WorkflowId), FlowError> {
        self.pool.as_ref().zip(self.workflow()).ok_or(FlowError::NoWorkflow(what))
    }
}

async fn find(pool: &PgPool, workflow: WorkflowId, step: &str, kind: &'static str) -> Result<Answer, FlowError> {
    sqlx::query_as!(
        Answer,
        "SELECT job ->> 'kind' AS of, output FROM queue.steps WHERE workflow_id = $1 AND name = $2 AND kind = $3",
        workflow.0,
        step,
        kind,
    )
    .fetch_optional(pool)
    .await?
    .ok_or_else(|| FlowError::NoSuchStep { workflow, what: kind, step: step.to_owned() })
}
