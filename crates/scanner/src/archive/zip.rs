//! Zip: the directory at the end is judged as a whole before anything is unpacked; then each file is read once.
//!
//! The directory is walked entry by entry, never loaded, and each entry must agree with the header before its data: an
//! archive that shows one thing to us and another to an unpacker contradicts itself and is refused. So is one whose entries
//! do not fill it to the byte ([`layout`]), and one with an entry whose packed data go on after the file in them has ended:
//! there a program that reads from the front would find entries that no directory lists.

use super::layout::{self, Descriptor, Header, Span};
use super::{Register, Source, Visitor, deliver, path};
use crate::{Refusal, limits::Budget, refusal::plain};
use flate2::{CrcReader, bufread::DeflateDecoder};
use std::io::{BufRead, Read, Seek, SeekFrom};
use zip::{
    CompressionMethod,
    read::{Config, ZipFileEntry},
    result::ZipError,
    unstable::read::ZipIterable,
};

/// A file of the directory that may be unpacked.
struct Admitted {
    path: String,
    /// Where its data begin.
    data: u64,
    packed: u64,
    size: u64,
    sum: u32,
    deflated: bool,
}

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
    let source = archive.files().map_err(fault)?.reader_mut();
    for file in admitted {
        unpack(source, &file, budget, visitor)?;
        register.read(file.path, file.size);
    }
    Ok(())
}

/// Reads one file. It must be as long as announced, sum up, and take all of its packed data.
fn unpack<R: BufRead + Seek>(
    source: &mut R,
    file: &Admitted,
    budget: &mut Budget,
    visitor: &mut dyn Visitor,
) -> Result<(), Refusal> {
    let Admitted { path, packed, size, .. } = file;
    source.seek(SeekFrom::Start(file.data)).map_err(Refusal::from_io)?;
    let mut data = source.take(*packed);
    let decoder: Box<dyn Read + '_> = if file.deflated { Box::new(DeflateDecoder::new(&mut data)) } else { Box::new(&mut data) };
    // One byte more than announced would do to refuse it; and asking for that byte is what makes the decoder see its end.
    let mut content = CrcReader::new(decoder.take(size.saturating_add(1)));
    let produced = deliver(path, Some(*packed), &mut content, budget, visitor)?;
    let sum = content.crc().sum();
    drop(content);
    if produced != *size {
        return Err(Refusal::Inconsistent { detail: format!("{path} is not as long as announced") });
    }
    if sum != file.sum {
        return Err(Refusal::Damaged { detail: format!("the check sum of {path} is wrong") });
    }
    if data.limit() > 0 {
        return Err(Refusal::Inconsistent { detail: format!("data follows the end of {path}") });
    }
    Ok(())
}

/// Checks every entry against all that can be known without unpacking. Returns, in order, the files.
fn judge_directory<R: Read + Seek>(
    archive: &mut ZipIterable<Source<R>>,
    budget: &Budget,
    register: &mut Register,
) -> Result<Vec<Admitted>, Refusal> {
    let limits = &budget.limits;
    let (mut admitted, mut spans, mut total) = (Vec::with_capacity(archive.len()), Vec::with_capacity(archive.len()), 0u64);
    let entries = archive.files().map_err(fault)?;
    let mut directory = None;
    while let Some(entry) = entries.next() {
        budget.time_left()?;
        let entry = entry.map_err(fault)?;
        let name = name_of(&entry)?;
        kind_is_plain(&entry, &name)?;
        total = total.saturating_add(entry.size());
        if total > limits.max_total {
            return Err(Refusal::TooLarge { limit: limits.max_total });
        }
        let central = Header::central(entries.reader_mut(), entry.central_header_start())?;
        directory.get_or_insert((entry.central_header_start(), 0)).1 = central.end;
        let span = span_of(entries.reader_mut(), &entry, &central)?;
        let data = span.data;
        spans.push(span);
        if entry.is_dir() || name.ends_with('\\') {
            register.folder(&name, limits)?;
            if entry.size() > 0 || entry.compressed_size() > MOST_OF_NOTHING {
                return Err(Refusal::Inconsistent { detail: format!("the folder {} has content", path::display(&name)) });
            }
            continue;
        }
        let path = register.file(&name, limits)?;
        if entry.size() > limits.max_file {
            return Err(Refusal::FileTooLarge { path, limit: limits.max_file });
        }
        budget.ratio(Some(&path), entry.compressed_size(), entry.size())?;
        let deflated = entry.compression() == CompressionMethod::Deflated;
        admitted.push(Admitted { path, data, packed: entry.compressed_size(), size: entry.size(), sum: entry.crc32(), deflated });
    }
    if let Some((begin, end)) = directory {
        layout::entries_fill(entries.reader_mut(), spans, begin)?;
        layout::directory_ends(entries.reader_mut(), end)?;
    }
    Ok(admitted)
}

/// Bytes that a folder's data may take: nothing, deflated.
const MOST_OF_NOTHING: u64 = 2;

/// Where the entry lies, once both its headers give it one and the same name.
fn span_of<R: Read + Seek>(source: &mut R, entry: &ZipFileEntry<'_>, central: &Header) -> Result<Span, Refusal> {
    let local = Header::local(source, entry.header_start())?;
    if !(central.names_only(entry.name_raw()) && local.names_only(entry.name_raw())) {
        let shown = path::display(&String::from_utf8_lossy(entry.name_raw()));
        return Err(Refusal::Inconsistent { detail: format!("{shown} has a second name") });
    }
    let descriptor = entry.flags().is_using_data_descriptor().then(|| Descriptor {
        sum: entry.crc32(),
        packed: entry.compressed_size(),
        size: entry.size(),
    });
    let end = local.end.saturating_add(entry.compressed_size());
    Ok(Span { start: entry.header_start(), data: local.end, end, descriptor })
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
