//! An archive as a list of safe paths with contents that are read once, in order, within the budget (SCAN-01, SCAN-05).
//!
//! What the archive is, is decided by its first bytes and never by a file name. A path that reaches a visitor is relative,
//! unique and creatable everywhere; its content stops with a refusal as soon as any limit is passed. Whatever the visitor
//! does not read is read after it, so that an archive only counts as whole when all of it decoded and its sums agree.

mod content;
mod layout;
mod path;
mod register;
mod source;
mod tar;
mod zip;

pub(crate) use content::Content;
pub(crate) use source::Source;

use crate::{Refusal, limits::Budget};
use register::Register;
use serde::Serialize;
use std::io::{self, Read, Seek, SeekFrom};

/// What packs the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Zip,
    TarGz,
}

/// One file of the archive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FileEntry {
    /// Relative to the root of the archive, `/` between folders.
    pub path: String,
    /// Bytes unpacked, as counted and not as announced.
    pub size: u64,
}

/// Receives each file once.
pub(crate) trait Visitor {
    /// Looks at a file; reading all of `content` is not needed.
    fn file(&mut self, path: &str, content: &mut Content<'_>) -> Result<(), Refusal>;
}

/// What a walk leaves behind.
#[derive(Debug)]
pub(crate) struct Walked {
    pub format: Format,
    pub files: Vec<FileEntry>,
    pub unpacked_bytes: u64,
}

/// Reads the whole archive once, handing each file to `visitor`.
pub(crate) fn walk<R: Read + Seek>(
    mut source: Source<R>,
    budget: &mut Budget,
    visitor: &mut dyn Visitor,
) -> Result<Walked, Refusal> {
    let format = detect(&mut source)?;
    let mut register = Register::default();
    match format {
        Format::Zip => zip::walk(source, budget, &mut register, visitor)?,
        Format::TarGz => tar::walk(source, budget, &mut register, visitor)?,
    }
    let files = register.into_files();
    if files.is_empty() {
        return Err(Refusal::Empty);
    }
    let unpacked_bytes = files.iter().map(|file| file.size).sum();
    Ok(Walked { format, files, unpacked_bytes })
}

/// Tells the format by its signature, and what else the file may be when it is none of ours.
fn detect<R: Read + Seek>(source: &mut Source<R>) -> Result<Format, Refusal> {
    let mut start = Vec::new();
    source.by_ref().take(512).read_to_end(&mut start).map_err(Refusal::from_io)?;
    source.seek(SeekFrom::Start(0)).map_err(Refusal::from_io)?;
    let found = match start.as_slice() {
        [b'P', b'K', 3, 4, ..] => return Ok(Format::Zip),
        [b'P', b'K', 5, 6, ..] => return Err(Refusal::Empty),
        [0x1f, 0x8b, 8, ..] => return Ok(Format::TarGz),
        [] => Some("an empty file"),
        [b'P', b'K', 7, 8, ..] => Some("a part of a split zip archive"),
        [b'R', b'a', b'r', b'!', ..] => Some("a RAR archive"),
        [b'7', b'z', 0xbc, 0xaf, ..] => Some("a 7z archive"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("an xz file"),
        [b'B', b'Z', b'h', ..] => Some("a bzip2 file"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("a zstd file"),
        bytes if bytes.get(257..262) == Some(b"ustar") => Some("an uncompressed tar archive"),
        _ => None,
    };
    Err(Refusal::NotAnArchive { found })
}

/// Hands one file to the visitor, reads what it left, and returns the size that came out.
fn deliver(
    path: &str,
    packed: Option<u64>,
    reader: &mut dyn Read,
    budget: &mut Budget,
    visitor: &mut dyn Visitor,
) -> Result<u64, Refusal> {
    let mut content = Content::new(path, packed, reader, budget);
    visitor.file(path, &mut content)?;
    io::copy(&mut content, &mut io::sink()).map_err(Refusal::from_io)?;
    Ok(content.produced())
}

#[cfg(test)]
pub(crate) mod hostile;
#[cfg(test)]
mod tests;
