//! The entries seen so far: how many there are, and whether two of them want the same place on a file system that ignores
//! case, as those of Windows and macOS do.

use super::{FileEntry, path};
use crate::{Limits, Refusal};
use std::collections::HashMap;

/// What already holds a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    File,
    Folder,
}

/// Names taken, files read.
#[derive(Default)]
pub(crate) struct Register {
    entries: usize,
    places: HashMap<String, (Holder, String)>,
    files: Vec<FileEntry>,
}

impl Register {
    /// Takes in a file and returns its safe path.
    pub fn file(&mut self, raw: &str, limits: &Limits) -> Result<String, Refusal> {
        let path = self.enter(raw, limits)?;
        if path.is_empty() {
            return Err(Refusal::ReservedName { path: path::display(raw), reason: "it names no file" });
        }
        self.parents(&path)?;
        match self.places.insert(path.to_lowercase(), (Holder::File, path.clone())) {
            None => Ok(path),
            Some((_, other)) => Err(Refusal::Duplicate { path, other }),
        }
    }

    /// Takes in a folder; the same one may come twice.
    pub fn folder(&mut self, raw: &str, limits: &Limits) -> Result<(), Refusal> {
        let path = self.enter(raw, limits)?;
        self.parents(&path)?;
        self.claim_folder(&path, &path)
    }

    /// Notes the size that came out of a file.
    pub fn read(&mut self, path: String, size: u64) {
        self.files.push(FileEntry { path, size });
    }

    /// The files in the order of the archive.
    pub fn into_files(self) -> Vec<FileEntry> {
        self.files
    }

    /// Counts an entry, be it a file, a folder or a header that only describes the next one.
    pub fn count(&mut self, limits: &Limits) -> Result<(), Refusal> {
        self.entries += 1;
        if self.entries > limits.max_entries {
            return Err(Refusal::TooManyEntries { limit: limits.max_entries });
        }
        Ok(())
    }

    fn enter(&mut self, raw: &str, limits: &Limits) -> Result<String, Refusal> {
        self.count(limits)?;
        path::normalise(raw, limits)
    }

    fn parents(&mut self, path: &str) -> Result<(), Refusal> {
        path.match_indices('/').try_for_each(|(end, _)| self.claim_folder(&path[..end], path))
    }

    fn claim_folder(&mut self, folder: &str, path: &str) -> Result<(), Refusal> {
        let (holder, other) = self.places.entry(folder.to_lowercase()).or_insert_with(|| (Holder::Folder, folder.to_owned()));
        if *holder == Holder::File {
            return Err(Refusal::Duplicate { path: path.to_owned(), other: other.clone() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_cannot_share_a_place() {
        let (mut register, limits) = (Register::default(), Limits::default());
        assert!(register.file("src/Main.rs", &limits).is_ok());
        assert!(register.folder("SRC/", &limits).is_ok());
        assert!(register.file("docs/main.rs", &limits).is_ok());
        for raw in ["src/main.rs", "./src/Main.rs", "src/MAIN.rs/more.txt", "Src"] {
            assert!(matches!(register.file(raw, &limits), Err(Refusal::Duplicate { .. })), "{raw}");
        }
    }

    #[test]
    fn entries_are_counted_whatever_they_are() {
        let (mut register, limits) = (Register::default(), Limits { max_entries: 2, ..Limits::default() });
        assert!(register.folder("a", &limits).is_ok() && register.folder("a", &limits).is_ok());
        assert!(matches!(register.folder("a", &limits), Err(Refusal::TooManyEntries { limit: 2 })));
    }
}
