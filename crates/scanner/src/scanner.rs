//! The two readings of a package: what it is (`inspect`, SCAN-01) and what is dangerous in it (`scan`, SCAN-02).
//!
//! Both walk the archive the same way and refuse it for the same reasons, so either may be called first. A decoder that
//! panics on hostile bytes is caught here and counts as damage to the archive: the worker survives every package (SCAN-05).

use crate::{
    Finding, Inspection, Limits, Refusal, RulesError,
    archive::{self, Source, Walked},
    inspect::Inspector,
    limits::Budget,
    scan::{Detectors, Reading},
};
use std::{
    fs::File,
    io::{self, Read, Seek},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// The rules, compiled once; shared by every job that scans.
pub struct Scanner {
    detectors: Detectors,
}

impl Scanner {
    /// Compiles the embedded rules. Costs a noticeable part of a second: make one at start and share it.
    ///
    /// # Errors
    /// When a rule of ours does not compile, which a test of this crate rules out.
    pub fn new() -> Result<Self, RulesError> {
        Ok(Self { detectors: Detectors::new()? })
    }

    /// Reads the archive through once and says what is in it.
    ///
    /// # Errors
    /// The first fact that turns the package away; [`Refusal::is_ours`] when the file could not be read here.
    pub fn inspect(&self, file: &Path, limits: &Limits) -> Result<Inspection, Refusal> {
        self.inspect_reader(File::open(file).map_err(Refusal::Io)?, limits)
    }

    /// Reads the archive through once and lists what is dangerous in it.
    ///
    /// # Errors
    /// As [`Scanner::inspect`].
    pub fn scan(&self, file: &Path, limits: &Limits) -> Result<Vec<Finding>, Refusal> {
        self.scan_reader(File::open(file).map_err(Refusal::Io)?, limits)
    }

    /// [`Scanner::inspect`] of an archive that is not a file.
    ///
    /// # Errors
    /// As [`Scanner::inspect`].
    pub fn inspect_reader<R: Read + Seek>(&self, reader: R, limits: &Limits) -> Result<Inspection, Refusal> {
        contained(|| {
            let mut inspector = Inspector::default();
            let walked = read(reader, limits, &mut inspector)?;
            Ok(inspector.finish(walked))
        })
    }

    /// [`Scanner::scan`] of an archive that is not a file.
    ///
    /// # Errors
    /// As [`Scanner::inspect`].
    pub fn scan_reader<R: Read + Seek>(&self, reader: R, limits: &Limits) -> Result<Vec<Finding>, Refusal> {
        contained(|| {
            let mut reading = Reading::new(&self.detectors);
            read(reader, limits, &mut reading)?;
            Ok(reading.finish())
        })
    }
}

fn read<R: Read + Seek>(reader: R, limits: &Limits, visitor: &mut dyn archive::Visitor) -> Result<Walked, Refusal> {
    let source = Source::new(reader).map_err(Refusal::Io)?;
    let mut budget = Budget::new(limits, source.len());
    archive::walk(source, &mut budget, visitor)
}

/// A panic while reading hostile bytes is a fact about the bytes.
fn contained<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Refusal::Damaged { detail: "it could not be decoded".to_owned() }))
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::from_io(error)
    }
}
