//! Why an act in the catalogue was refused. What a person typed wrong is told field by field ([`Problems`]), so that a form
//! shows it beside the field and the API in `errors[]`; everything else is one sentence with what to do.

use super::product::ProductState;
use crate::notifications::email::QueueError;
use mywork_queue::EnqueueError;
use mywork_queue::workflow::{FlowError, StartError};
use serde::Serialize;
use std::collections::BTreeMap;

/// Sentences by field name, in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(pub BTreeMap<String, Vec<String>>);

impl Problems {
    /// One problem of one field.
    pub fn of(field: impl Into<String>, sentence: impl Into<String>) -> Self {
        let mut problems = Self::default();
        problems.add(field, sentence);
        problems
    }

    pub fn add(&mut self, field: impl Into<String>, sentence: impl Into<String>) {
        self.0.entry(field.into()).or_default().push(sentence.into());
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in what another check found.
    pub fn extend(&mut self, others: Problems) {
        for (field, sentences) in others.0 {
            self.0.entry(field).or_default().extend(sentences);
        }
    }

    /// # Errors
    /// When there is a problem.
    pub fn into_result(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("There is no such {0}.")]
    NotFound(&'static str),
    #[error("Become a seller first: it takes one click and costs nothing.")]
    NotASeller,
    #[error("{}", .state.why_not(.act))]
    WrongState { state: ProductState, act: &'static str },
    #[error("Some of this cannot be saved yet.")]
    Invalid(Problems),
    /// The world has moved on since the page was opened, or a limit is reached; the sentence says which.
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    #[error("the next job could not be arranged")]
    Enqueue(#[from] EnqueueError),
    #[error("the publish workflow could not be begun")]
    Start(#[from] StartError),
    #[error("the publish workflow could not be moved")]
    Workflow(#[from] FlowError),
    #[error("the e-mail could not be arranged")]
    Email(#[from] QueueError),
}
