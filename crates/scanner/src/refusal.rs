//! Why a package could not be judged at all. Each variant is a fact about the package, with a sentence and a remedy for the
//! seller; only [`Refusal::Io`] is ours, and only that one is worth trying again.

use crate::{Finding, Severity};
use std::io;

/// A package that is turned away before its content counts for anything.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{}", match found { Some(kind) => format!("This is {kind}, not a zip or tar.gz archive."), None => "This is not a zip or tar.gz archive.".to_owned() })]
    NotAnArchive { found: Option<&'static str> },
    #[error("The archive has no files in it.")]
    Empty,
    #[error("The archive has more than {limit} entries.")]
    TooManyEntries { limit: usize },
    #[error("The archive unpacks to more than {}.", size(*limit))]
    TooLarge { limit: u64 },
    #[error("The file {path} is larger than {}.", size(*limit))]
    FileTooLarge { path: String, limit: u64 },
    #[error("{} unpacks to {ratio} times its packed size; {limit} times is the most we accept.", match path { Some(path) => format!("The file {path}"), None => "The archive".to_owned() })]
    Bomb { path: Option<String>, ratio: u64, limit: u64 },
    #[error("The entry {path} points outside the archive.")]
    Traversal { path: String },
    #[error("The entry {path} has an absolute path.")]
    AbsolutePath { path: String },
    #[error("The entry {path} is more than {limit} folders deep.")]
    TooDeep { path: String, limit: usize },
    #[error("The entry {path} cannot be created on every system: {reason}.")]
    ReservedName { path: String, reason: &'static str },
    #[error("The entries {path} and {other} cannot both exist on a system that ignores upper and lower case.")]
    Duplicate { path: String, other: String },
    #[error("The entry {path} is a link to another file.")]
    Link { path: String },
    #[error("The entry {path} is not a regular file or folder.")]
    SpecialFile { path: String },
    #[error("The entry {path} is encrypted.")]
    Encrypted { path: String },
    #[error("The entry {path} is packed by a method we do not read.")]
    UnsupportedMethod { path: String },
    #[error("The archive contradicts itself: {detail}.")]
    Inconsistent { detail: String },
    #[error("The archive ends too early.")]
    Truncated,
    #[error("The archive is damaged: {detail}.")]
    Damaged { detail: String },
    #[error("Reading the archive took longer than {seconds} seconds.")]
    Timeout { seconds: u64 },
    #[error("The file could not be read here: {0}")]
    Io(#[source] io::Error),
}

impl Refusal {
    /// Stable name of the rule, as stored with the finding.
    pub fn rule(&self) -> &'static str {
        match self {
            Refusal::NotAnArchive { .. } => "archive.format",
            Refusal::Empty => "archive.empty",
            Refusal::TooManyEntries { .. } => "archive.entries",
            Refusal::TooLarge { .. } => "archive.total-size",
            Refusal::FileTooLarge { .. } => "archive.file-size",
            Refusal::Bomb { .. } => "archive.ratio",
            Refusal::Traversal { .. } => "archive.traversal",
            Refusal::AbsolutePath { .. } => "archive.absolute-path",
            Refusal::TooDeep { .. } => "archive.depth",
            Refusal::ReservedName { .. } => "archive.reserved-name",
            Refusal::Duplicate { .. } => "archive.duplicate",
            Refusal::Link { .. } => "archive.link",
            Refusal::SpecialFile { .. } => "archive.special-file",
            Refusal::Encrypted { .. } => "archive.encrypted",
            Refusal::UnsupportedMethod { .. } => "archive.method",
            Refusal::Inconsistent { .. } => "archive.inconsistent",
            Refusal::Truncated => "archive.truncated",
            Refusal::Damaged { .. } => "archive.damaged",
            Refusal::Timeout { .. } => "archive.timeout",
            Refusal::Io(_) => "scanner.io",
        }
    }

    /// What happened, for the seller.
    pub fn sentence(&self) -> String {
        match self {
            Refusal::Io(_) => "The check could not read the stored file. This is our fault; it will be tried again.".to_owned(),
            fact => fact.to_string(),
        }
    }

    /// What to do about it, for the seller.
    pub fn remedy(&self) -> &'static str {
        match self {
            Refusal::NotAnArchive { .. } => "Pack your project as a .zip or .tar.gz and upload that.",
            Refusal::Empty => "Pack the project's files and upload again.",
            Refusal::TooManyEntries { .. } => {
                "Leave out what buyers install themselves: node_modules, vendor, build output, caches."
            }
            Refusal::TooLarge { .. } | Refusal::FileTooLarge { .. } => {
                "Leave out large data and build output; link to it from the README instead."
            }
            Refusal::Bomb { .. } => "Leave out generated or empty filler files, and pack the sources themselves.",
            Refusal::Traversal { .. } | Refusal::AbsolutePath { .. } => {
                "Pack the folder from inside it, so that every path is relative to its root."
            }
            Refusal::TooDeep { .. } => "Flatten the folders, or leave out vendored dependencies.",
            Refusal::ReservedName { .. } => "Rename the file and pack again.",
            Refusal::Duplicate { .. } => "Rename or remove one of the two and pack again.",
            Refusal::Link { .. } => "Replace the link by the file it points to, or leave it out.",
            Refusal::SpecialFile { .. } => "Pack regular files only.",
            Refusal::Encrypted { .. } => "Pack without a password: buyers get their copy by a private link.",
            Refusal::UnsupportedMethod { .. } => "Pack with ordinary deflate compression, as every zip program does by default.",
            Refusal::Inconsistent { .. } | Refusal::Damaged { .. } => {
                "Pack the project again with an ordinary zip or tar program."
            }
            Refusal::Truncated => "The upload may have been cut off: upload again, or pack again if it repeats.",
            Refusal::Timeout { .. } => "Make the package smaller: leave out dependencies, data and build output.",
            Refusal::Io(_) => "Nothing to do; if it stays like this, write to support.",
        }
    }

    /// The entry it is about.
    pub fn path(&self) -> Option<&str> {
        match self {
            Refusal::Bomb { path, .. } => path.as_deref(),
            Refusal::FileTooLarge { path, .. }
            | Refusal::Traversal { path }
            | Refusal::AbsolutePath { path }
            | Refusal::TooDeep { path, .. }
            | Refusal::ReservedName { path, .. }
            | Refusal::Duplicate { path, .. }
            | Refusal::Link { path }
            | Refusal::SpecialFile { path }
            | Refusal::Encrypted { path }
            | Refusal::UnsupportedMethod { path } => Some(path),
            _ => None,
        }
    }

    /// True when the fault is ours and the check is worth repeating; everything else is a fact about the package.
    pub fn is_ours(&self) -> bool {
        matches!(self, Refusal::Io(_))
    }

    /// The refusal as a blocker among the findings of a version.
    pub fn finding(&self) -> Finding {
        Finding {
            severity: Severity::Blocker,
            rule: self.rule().to_owned(),
            title: self.sentence(),
            path: self.path().map(str::to_owned),
            line: None,
            excerpt: None,
            remedy: self.remedy().to_owned(),
        }
    }

    /// Finds the refusal that a reader of ours sent through a decoder, or says what the decoder's error means. An error of
    /// the operating system is ours; all others come from the bytes.
    pub(crate) fn from_io(error: io::Error) -> Self {
        if error.raw_os_error().is_some() {
            return Refusal::Io(error);
        }
        let kind = error.kind();
        match error.downcast::<Refusal>() {
            Ok(refusal) => refusal,
            Err(_) if kind == io::ErrorKind::UnexpectedEof => Refusal::Truncated,
            Err(error) => Refusal::Damaged { detail: plain(&error.to_string()) },
        }
    }

    /// Sends the refusal through a decoder that only knows I/O errors.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Refusal::Io(error) => error,
            refusal => io::Error::other(refusal),
        }
    }
}

/// A detail of a decoder, fit to stand in our sentence.
pub(crate) fn plain(detail: &str) -> String {
    let mut text: String = detail.chars().filter(|c| !c.is_control()).take(120).collect();
    text.truncate(text.trim_end_matches('.').len());
    text
}

/// `256 MB`, as in the limits we publish.
fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 30 && b % (1 << 30) == 0 => format!("{} GB", b >> 30),
        b if b >= 1 << 20 => format!("{} MB", b >> 20),
        b if b >= 1 << 10 => format!("{} kB", b >> 10),
        b => format!("{b} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_a_decoder() {
        let error = Refusal::Bomb { path: None, ratio: 900, limit: 100 }.into_io();
        assert!(matches!(Refusal::from_io(error), Refusal::Bomb { ratio: 900, .. }));
    }

    #[test]
    fn our_faults_are_told_from_the_packages() {
        assert!(Refusal::from_io(io::Error::from_raw_os_error(5)).is_ours());
        assert!(matches!(Refusal::from_io(io::ErrorKind::UnexpectedEof.into()), Refusal::Truncated));
        assert!(!Refusal::from_io(io::Error::other("corrupt deflate stream")).is_ours());
    }

    #[test]
    fn speaks_in_sentences() {
        assert_eq!(Refusal::TooLarge { limit: 2 << 30 }.sentence(), "The archive unpacks to more than 2 GB.");
        assert_eq!(
            Refusal::NotAnArchive { found: Some("a RAR archive") }.sentence(),
            "This is a RAR archive, not a zip or tar.gz archive."
        );
        assert_eq!(Refusal::Truncated.finding().severity, Severity::Blocker);
    }
}
