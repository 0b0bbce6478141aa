//! What the code plans. Installed once: from then on the row belongs to the people who run the system, and their edits
//! survive every release.

use crate::{
    job::Job,
    schedule::expression::{Expression, ExpressionError},
};
use serde_json::Value;
use sqlx::PgConnection;

/// A schedule as the code wants it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// When, in five fields.
    pub cron: String,
    /// In which IANA time zone.
    pub zone: String,
    /// The kind of job.
    pub kind: String,
    /// Its arguments.
    pub args: Value,
    /// Their version.
    pub version: i16,
    /// The queue.
    pub queue: String,
    /// How often each job is tried.
    pub max_attempts: i16,
    /// Higher runs first.
    pub priority: i16,
    /// The rate limit its runs draw from.
    pub rate: Option<String>,
    /// Fields of its arguments that are never shown.
    pub redact: Vec<String>,
    /// What to do about times at which no scheduler was there.
    pub catch_up: CatchUp,
    /// What to do when the job before is still at work.
    pub overlap: Overlap,
}

/// What to do about times at which no scheduler was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum CatchUp {
    /// Let them go, when they are more than a minute past.
    None,
    /// Make up for the latest only.
    #[default]
    One,
    /// Make up for each. Pointless together with [`Overlap::Skip`], which lets only the first of them through.
    All,
}

/// What to do when the job before is still at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Overlap {
    /// Leave this time out.
    #[default]
    Skip,
    /// Enqueue anyway.
    Queue,
}

/// Why plans cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Its times cannot be understood.
    #[error("schedule {name}: {source}")]
    Expression {
        /// The schedule.
        name: String,
        /// What is wrong.
        source: ExpressionError,
    },
    /// The database refused.
    #[error("schedules cannot be installed: {0}")]
    Database(#[from] sqlx::Error),
}

impl Plan {
    /// Runs `job` whenever `cron` says, in UTC. The schedule is named after its kind.
    ///
    /// # Errors
    /// When the job's arguments cannot be written as JSON.
    pub fn new<J: Job>(cron: &str, job: &J) -> Result<Self, serde_json::Error> {
        Ok(Self {
            name: J::KIND.to_owned(),
            cron: cron.to_owned(),
            zone: "UTC".to_owned(),
            kind: J::KIND.to_owned(),
            args: serde_json::to_value(job)?,
            version: J::VERSION,
            queue: J::QUEUE.to_owned(),
            max_attempts: J::MAX_ATTEMPTS,
            priority: job.options().priority,
            rate: J::RATE.map(str::to_owned),
            redact: J::REDACT.iter().map(ToString::to_string).collect(),
            catch_up: CatchUp::default(),
            overlap: Overlap::default(),
        })
    }

    /// Under another name, for kinds with several schedules.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// In another time zone.
    #[must_use]
    pub fn zone(mut self, zone: &str) -> Self {
        zone.clone_into(&mut self.zone);
        self
    }

    /// What to do about times missed.
    #[must_use]
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// What to do when the job before is still at work.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }
}

/// Adds the plans that are missing; those already there are left as people made them, but for what only the code can know.
///
/// # Errors
/// When a plan's times cannot be understood: then none is installed, given that the caller rolls back.
pub async fn install(c: &mut PgConnection, plans: &[Plan]) -> Result<(), PlanError> {
    for plan in plans {
        Expression::parse(&plan.cron, &plan.zone).map_err(|source| PlanError::Expression { name: plan.name.clone(), source })?;
        sqlx::query!(
            "INSERT INTO queue.schedules (name, cron, zone, queue, kind, version, args, priority, max_attempts, catch_up, overlap,
                                          rate, redact)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT (name) DO UPDATE SET rate = excluded.rate, redact = excluded.redact",
            plan.name,
            plan.cron,
            plan.zone,
            plan.queue,
            plan.kind,
            plan.version,
            plan.args,
            plan.priority,
            plan.max_attempts,
            plan.catch_up as CatchUp,
            plan.overlap as Overlap,
            plan.rate,
            &plan.redact,
        )
        .execute(&mut *c)
        .await?;
    }
    Ok(())
}
