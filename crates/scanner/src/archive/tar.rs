//! Tar inside gzip: one stream, read once from front to back.
//!
//! Headers are read raw and long names by our own hand, because the usual reader loads them whole, however long they say
//! they are. What follows the end of the archive is read too: the gzip sums must agree, and nothing may hide there.

use super::{Content, Register, Source, Visitor, deliver, path};
use crate::{Refusal, limits::Budget, refusal::plain};
use flate2::bufread::MultiGzDecoder;
use std::io::{self, Read, Seek};
use tar::{Archive, Entry, EntryType};

/// Longest extended header we read: a path of 1,024 bytes fits several times.
const MAX_HEADER: u64 = 16 * 1024;

pub(super) fn walk<R: Read + Seek>(
    source: Source<R>,
    budget: &mut Budget,
    register: &mut Register,
    visitor: &mut dyn Visitor,
) -> Result<(), Refusal> {
    let mut archive = Archive::new(MultiGzDecoder::new(source));
    let mut long_name: Option<Vec<u8>> = None;
    for (index, entry) in archive.entries().map_err(Refusal::from_io)?.raw(true).enumerate() {
        budget.time_left()?;
        let mut entry = entry.map_err(|error| if index == 0 { first_fault(error) } else { Refusal::from_io(error) })?;
        match entry.header().entry_type() {
            kind @ (EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader) => {
                register.count(&budget.limits)?;
                match kind {
                    EntryType::GNULongName => long_name = Some(gnu_name(&mut entry)?),
                    EntryType::XHeader => long_name = pax_name(&mut entry)?.or(long_name),
                    EntryType::XGlobalHeader if pax_name(&mut entry)?.is_some() => {
                        return Err(Refusal::Inconsistent { detail: "one pax header names all its files".to_owned() });
                    }
                    EntryType::XGlobalHeader => {}
                    _ => drop(header_text(&mut entry)?),
                }
            }
            _ => {
                let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                member(&mut entry, &name, budget, register, visitor)?;
            }
        }
    }
    nothing_follows(&mut archive.into_inner(), budget)
}

/// A file or folder; all else is refused.
fn member<R: Read>(
    entry: &mut Entry<'_, R>,
    name: &[u8],
    budget: &mut Budget,
    register: &mut Register,
    visitor: &mut dyn Visitor,
) -> Result<(), Refusal> {
    let shown = || path::display(&String::from_utf8_lossy(name));
    let name =
        std::str::from_utf8(name).map_err(|_| Refusal::ReservedName { path: shown(), reason: "its name is not valid text" })?;
    match entry.header().entry_type() {
        EntryType::Directory if entry.size() > 0 => {
            Err(Refusal::Inconsistent { detail: format!("the folder {} has content", shown()) })
        }
        EntryType::Directory => register.folder(name, &budget.limits),
        EntryType::Regular | EntryType::Continuous if name.ends_with('/') && entry.size() == 0 => {
            register.folder(name, &budget.limits) // how tar wrote folders before 1988, and some programs still do
        }
        EntryType::Regular | EntryType::Continuous => {
            let path = register.file(name, &budget.limits)?;
            if entry.size() > budget.limits.max_file {
                return Err(Refusal::FileTooLarge { path, limit: budget.limits.max_file });
            }
            let announced = entry.size();
            let size = deliver(&path, None, entry, budget, visitor)?;
            if size != announced {
                return Err(Refusal::Truncated);
            }
            register.read(path, size);
            Ok(())
        }
        EntryType::Link | EntryType::Symlink => Err(Refusal::Link { path: shown() }),
        _ => Err(Refusal::SpecialFile { path: shown() }),
    }
}

fn gnu_name<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, Refusal> {
    let mut name = header_text(entry)?;
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    Ok(name)
}

/// The path in a pax header, if it sets one. Records are `length key=value\n`.
fn pax_name<R: Read>(entry: &mut Entry<'_, R>) -> Result<Option<Vec<u8>>, Refusal> {
    let text = header_text(entry)?;
    let (mut rest, mut name) = (text.as_slice(), None);
    while !rest.is_empty() {
        let (key, value, tail) =
            pax_record(rest).ok_or_else(|| Refusal::Damaged { detail: "a pax header is malformed".to_owned() })?;
        match key {
            b"path" => name = Some(value.to_vec()),
            b"size" => return Err(Refusal::Inconsistent { detail: "a pax header changes a file's size".to_owned() }),
            _ if key.starts_with(b"GNU.sparse") => {
                return Err(Refusal::SpecialFile { path: path::display(&String::from_utf8_lossy(&entry.path_bytes())) });
            }
            _ => {}
        }
        rest = tail;
    }
    Ok(name)
}

fn pax_record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
    let (record, tail) = text.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], tail))
}

fn header_text<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, Refusal> {
    if entry.size() > MAX_HEADER {
        return Err(Refusal::Damaged { detail: "an extended header is too long".to_owned() });
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text).map_err(Refusal::from_io)?;
    Ok(text)
}

/// Reads on after the end-of-archive mark: padding is zeros, anything else was meant to stay unseen.
fn nothing_follows(rest: &mut dyn Read, budget: &mut Budget) -> Result<(), Refusal> {
    let mut rest = Content::new("(end of archive)", None, rest, budget);
    let mut buffer = [0; 8 * 1024];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) if buffer[..n].iter().all(|byte| *byte == 0) => {}
            Ok(_) => return Err(Refusal::Inconsistent { detail: "data follows its end".to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Refusal::from_io(error)),
        }
    }
}

/// When not even the first header can be read, this is gzip around something else, or no whole gzip.
fn first_fault(error: io::Error) -> Refusal {
    match Refusal::from_io(error) {
        Refusal::Damaged { detail } if detail.contains("header") || detail.contains("numeric field") => {
            Refusal::NotAnArchive { found: Some("a gzip file without a tar archive in it") }
        }
        Refusal::Damaged { detail } => Refusal::Damaged { detail: plain(&detail) },
        other => other,
    }
}
