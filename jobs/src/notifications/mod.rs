//! Jobs that tell people something.

mod send_email;
mod templates;

use crate::Services;
use mywork_queue::Registry;

pub use templates::{EmailTemplates, Rendered, TemplateError};

/// Names the handlers of this area.
pub fn register(registry: &mut Registry<Services>) {
    registry.add(send_email::run);
}
