//! The payloads of the catalogue's jobs. `jobs/src/catalog/<stem>.rs` runs each of them. Payloads carry ids and read the rest
//! when they run, so that an old job never acts on what was true when it was enqueued.

use crate::ids::{ImageId, UserId, VersionId};
use mywork_queue::{Job, Options, Subject, Unique};
use serde::{Deserialize, Serialize};

/// Unpacking and scanning take processor and disk; workers give these a queue of their own.
pub const PACKAGES: &str = "packages";

/// A check that keeps failing through no fault of the package is given up after this many tries, and its seller told, so that
/// nobody waits for ever. With the queue's backoff that is most of a day: no outage of the storage rejects what was uploaded.
pub const CHECK_ATTEMPTS: i16 = 25;

/// Copies a package to its immutable key and hashes that copy (SEC-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinePackage {
    pub version: VersionId,
}

/// Looks at the structure of the archive (SCAN-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatePackage {
    pub version: VersionId,
}

/// Looks for what must not be sold and what a person should see (SCAN-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanPackage {
    pub version: VersionId,
}

/// Puts an approved version on the shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseVersion {
    pub version: VersionId,
}

/// Tells the owners of earlier versions of a new one (PROD-07), a page of people at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceVersion {
    pub version: VersionId,
    /// Everybody up to this person has been told.
    pub after: Option<UserId>,
}

/// Makes the variants of a picture (PROD-05).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessImages {
    pub image: ImageId,
}

/// Removes stored objects that nothing refers to any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscardObjects {
    pub keys: Vec<String>,
    /// A multipart upload to abort: its key and the storage's id of it.
    pub multipart: Option<(String, String)>,
}

/// Looks for checks whose job is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepChecks {}

fn about_version(kind: &str, version: VersionId) -> Options {
    Options {
        unique: Some(Unique::unfinished(format!("{kind}/{version}"))),
        subject: Some(Subject::new("version", version)),
        ..Options::default()
    }
}

impl Job for QuarantinePackage {
    const KIND: &'static str = "catalog.quarantine_package";
    const QUEUE: &'static str = PACKAGES;
    const MAX_ATTEMPTS: i16 = CHECK_ATTEMPTS;

    fn options(&self) -> Options {
        about_version(Self::KIND, self.version)
    }
}

impl Job for ValidatePackage {
    const KIND: &'static str = "catalog.validate_package";
    const QUEUE: &'static str = PACKAGES;
    const MAX_ATTEMPTS: i16 = CHECK_ATTEMPTS;

    fn options(&self) -> Options {
        about_version(Self::KIND, self.version)
    }
}

impl Job for ScanPackage {
    const KIND: &'static str = "catalog.scan_package";
    const QUEUE: &'static str = PACKAGES;
    const MAX_ATTEMPTS: i16 = CHECK_ATTEMPTS;

    fn options(&self) -> Options {
        about_version(Self::KIND, self.version)
    }
}

impl Job for ReleaseVersion {
    const KIND: &'static str = "catalog.release_version";

    fn options(&self) -> Options {
        about_version(Self::KIND, self.version)
    }
}

impl Job for AnnounceVersion {
    const KIND: &'static str = "catalog.announce_version";

    fn options(&self) -> Options {
        Options { subject: Some(Subject::new("version", self.version)), ..Options::default() }
    }
}

impl Job for ProcessImages {
    const KIND: &'static str = "catalog.process_images";
    const QUEUE: &'static str = PACKAGES;
    const MAX_ATTEMPTS: i16 = CHECK_ATTEMPTS;

    fn options(&self) -> Options {
        Options {
            unique: Some(Unique::unfinished(format!("{}/{}", Self::KIND, self.image))),
            subject: Some(Subject::new("image", self.image)),
            ..Options::default()
        }
    }
}

impl Job for DiscardObjects {
    const KIND: &'static str = "catalog.discard_objects";
}

impl Job for SweepChecks {
    const KIND: &'static str = "catalog.sweep_checks";
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Payloads lie in the database across deployments: their shape may grow, never change (JOB-18).
    #[test]
    fn payloads_keep_their_shape() {
        let version: VersionId = "0198c0de-0000-7000-8000-000000000001".parse().expect("a uuid");
        assert_eq!(
            serde_json::to_value(QuarantinePackage { version }).expect("serialises"),
            json!({"version": "0198c0de-0000-7000-8000-000000000001"})
        );
        assert_eq!(
            serde_json::to_value(AnnounceVersion { version, after: None }).expect("serialises"),
            json!({"version": "0198c0de-0000-7000-8000-000000000001", "after": null})
        );
        assert_eq!(
            serde_json::to_value(DiscardObjects { keys: vec!["k".into()], multipart: Some(("k".into(), "u".into())) })
                .expect("serialises"),
            json!({"keys": ["k"], "multipart": ["k", "u"]})
        );
        assert_eq!(serde_json::to_value(SweepChecks {}).expect("serialises"), json!({}));
    }
}
