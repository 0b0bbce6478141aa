//! The publish workflow and the care of stored files. Each handler begins by asking the domain whether there is still something
//! to do, works outside any transaction, and records its outcome together with the next job; killed anywhere and run again
//! it does the rest.

mod announce_version;
mod discard_objects;
mod package;
mod process_images;
mod quarantine_package;
mod release_version;
mod scan_package;
mod sweep_checks;
mod validate_package;

use crate::Services;
use mywork_queue::Registry;

pub fn register(registry: &mut Registry<Services>) {
    registry.add(quarantine_package::run);
    registry.add(validate_package::run);
    registry.add(scan_package::run);
    registry.add(release_version::run);
    registry.add(announce_version::run);
    registry.add(process_images::run);
    registry.add(discard_objects::run);
    registry.add(sweep_checks::run);
}
