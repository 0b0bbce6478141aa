//! Zip: the directory at the end is judged as a whole before anything is unpacked; then each file is read once.
//!
//! The directory is walked entry by entry, never loaded, and each entry must agree with the header before its data: an
//! archive that shows one thing to us and another to an unpacker contradicts itself and is refused, as is one whose files
//! share bytes (the trick of overlapping bombs).

use super::{Register, Source, Visitor, deliver, path};
use crate::{Refusal, limits::Budget, refusal::plain};
use std::io::{Read, Seek};
use zip::{
    CompressionMethod, ZipReadOptions,
    read::{Config, ZipFileEntry},
    result::ZipError,
    unstable::read::ZipIterable,
};

pub(super) fn walk<R: Read + Seek>(
    source: Source<R>,
    budget: &mut Budget,
    register: &mut Register,
    visitor: &mut dyn Visitor,
) -> Result<(), Refusal> {
    let mut archive = ZipIterable::try_new(source, Config::default()).map_err(open_fault)?.enforce_header_consistency(true);
    if archive.len() > budget.limits.max_entries {
        return Err(Refusal::TooManyEntries { limit: budget.limits.max_entries });
    }
    let admitted = judge_directory(&mut archive, budget, register)?;
    let entries = archive.files().map_err(fault)?;
    for path in admitted {
        let entry = entries.next().ok_or(Refusal::Truncated)?.map_err(fault)?;
        let Some(path) = path else { continue };
        let (packed, announced) = (entry.compressed_size(), entry.size());
        let mut reader = entry.with_reader(entries.reader_mut(), ZipReadOptions::new()).map_err(fault)?;
        let size = deliver(&path, Some(packed), &mut reader, budget, visitor)?;
        if size != announced {
            return Err(Refusal::Inconsistent { detail: format!("{path} is not as long as announced") });
        }
        register.read(path, size);
    }
    Ok(())
}

/// Checks every entry against all that can be known without unpacking. Returns, in order, the path of each file and `None`
/// for each folder.
fn judge_directory<R: Read + Seek>(
    archive: &mut ZipIterable<Source<R>>,
    budget: &Budget,
    register: &mut Register,
) -> Result<Vec<Option<String>>, Refusal> {
    let limits = &budget.limits;
    let (mut admitted, mut spans, mut total) = (Vec::with_capacity(archive.len()), Vec::with_capacity(archive.len()), 0u64);
    for entry in archive.files().map_err(fault)? {
        budget.time_left()?;
        let entry = entry.map_err(fault)?;
        let name = name_of(&entry)?;
        kind_is_plain(&entry, &name)?;
        total = total.saturating_add(entry.size());
        if total > limits.max_total {
            return Err(Refusal::TooLarge { limit: limits.max_total });
        }
        spans.push((entry.header_start(), least_span(&entry)));
        if entry.is_dir() || name.ends_with('\\') {
            register.folder(&name, limits)?;
            if entry.size() > 0 {
                return Err(Refusal::Inconsistent { detail: format!("the folder {} has content", path::display(&name)) });
            }
            admitted.push(None);
            continue;
        }
        let path = register.file(&name, limits)?;
        if entry.size() > limits.max_file {
            return Err(Refusal::FileTooLarge { path, limit: limits.max_file });
        }
        budget.ratio(Some(&path), entry.compressed_size(), entry.size())?;
        admitted.push(Some(path));
    }
    apart(spans)?;
    Ok(admitted)
}

fn name_of(entry: &ZipFileEntry<'_>) -> Result<String, Refusal> {
    entry.name().map(|name| name.into_owned()).map_err(|_| Refusal::ReservedName {
        path: path::display(&String::from_utf8_lossy(entry.name_raw())),
        reason: "its name is not valid text",
    })
}

/// Neither encrypted nor a link nor a device, and packed by a method we read.
fn kind_is_plain(entry: &ZipFileEntry<'_>, name: &str) -> Result<(), Refusal> {
    const KIND: u32 = 0o170_000;
    let path = path::display(name);
    if entry.encrypted() {
        return Err(Refusal::Encrypted { path });
    }
    match entry.unix_mode().map_or(0, |mode| mode & KIND) {
        0 | 0o100_000 | 0o040_000 => {}
        0o120_000 => return Err(Refusal::Link { path }),
        _ => return Err(Refusal::SpecialFile { path }),
    }
    match entry.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => Ok(()),
        _ => Err(Refusal::UnsupportedMethod { path }),
    }
}

/// Bytes that an entry takes at least: its local header, its name, its data.
fn least_span(entry: &ZipFileEntry<'_>) -> u64 {
    30u64.saturating_add(entry.name_raw().len() as u64).saturating_add(entry.compressed_size())
}

/// Entries begin at the start of the file and never share bytes.
fn apart(mut spans: Vec<(u64, u64)>) -> Result<(), Refusal> {
    spans.sort_unstable();
    if spans.first().is_some_and(|(start, _)| *start != 0) {
        return Err(Refusal::Inconsistent { detail: "it begins with data that its directory does not list".to_owned() });
    }
    if spans.windows(2).any(|pair| pair[0].0.saturating_add(pair[0].1) > pair[1].0) {
        return Err(Refusal::Inconsistent { detail: "two entries share the same bytes".to_owned() });
    }
    Ok(())
}

/// A zip without its directory was cut off; the directory is the last thing in the file.
fn open_fault(error: ZipError) -> Refusal {
    match error {
        ZipError::InvalidArchive(detail) if detail.contains("EOCD") => Refusal::Truncated,
        other => fault(other),
    }
}

fn fault(error: ZipError) -> Refusal {
    match error {
        ZipError::Io(error) => Refusal::from_io(error),
        ZipError::InvalidArchive(detail) if detail.contains("inconsistency") => Refusal::Inconsistent { detail: plain(&detail) },
        other => Refusal::Damaged { detail: plain(&other.to_string()) },
    }
}
