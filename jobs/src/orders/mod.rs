//! Jobs of this area.

use crate::Services;
use mywork_queue::Registry;

/// Names the handlers of this area.
pub fn register(_registry: &mut Registry<Services>) {}
