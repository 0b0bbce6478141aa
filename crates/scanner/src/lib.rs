//! Bytes → findings: what is in an uploaded package, and what is wrong with it (SCAN-01, SCAN-02, SCAN-05).
//!
//! Pure: no database, no network, nothing but the file it is given and a budget of time. Everything read from a package is
//! hostile until shown otherwise, so every count, size, ratio, depth and second is bounded by [`Limits`], the archive is read
//! as a stream, and nothing is ever written to disk. A package that cannot be judged is a [`Refusal`] with a sentence for the
//! seller; one that can be is an [`Inspection`] and a list of [`Finding`]s. Called by the jobs of the publish workflow.

mod archive;
mod finding;
mod inspect;
mod limits;
mod manifest;
mod refusal;
mod scan;
mod scanner;

pub use archive::{FileEntry, Format};
pub use finding::{Finding, Severity};
pub use inspect::{Inspection, Language, LicenceFile};
pub use limits::Limits;
pub use refusal::Refusal;
pub use scan::RulesError;
pub use scanner::Scanner;
