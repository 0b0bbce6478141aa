//! Where the parts of a zip lie, read by our own hand.
//!
//! The reader of headers looks at the directory and at what the directory points to. Programs that read from the front see
//! everything else as well: what lies between two entries, behind the last one, or under the name that an extra field took
//! away. So the entries must fill the file to the byte, from its start to the directory, and each must have one name.

use crate::Refusal;
use std::io::{Read, Seek, SeekFrom};

/// One entry: its header and its data, and what may lie behind them.
pub(super) struct Span {
    pub start: u64,
    /// Where its data begin …
    pub data: u64,
    /// … and end.
    pub end: u64,
    /// What must follow the data of an entry whose header was written before its sizes were known.
    pub descriptor: Option<Descriptor>,
}

/// Sum and sizes, behind the data.
pub(super) struct Descriptor {
    pub sum: u32,
    pub packed: u64,
    pub size: u64,
}

impl Descriptor {
    /// The forms programs write, by their length: with or without a signature, with sizes of 32 or 64 bits.
    fn written(&self, length: u64) -> Option<Vec<u8>> {
        let (signed, wide) = match length {
            12 => (false, false),
            16 => (true, false),
            20 => (false, true),
            24 => (true, true),
            _ => return None,
        };
        let mut bytes = if signed { b"PK\x07\x08".to_vec() } else { Vec::new() };
        bytes.extend(self.sum.to_le_bytes());
        for size in [self.packed, self.size] {
            if wide {
                bytes.extend(size.to_le_bytes());
            } else {
                bytes.extend(u32::try_from(size).ok()?.to_le_bytes());
            }
        }
        Some(bytes)
    }
}

/// A header as it lies in the file.
pub(super) struct Header {
    name: Vec<u8>,
    extra: Vec<u8>,
    /// The first byte behind it.
    pub end: u64,
}

impl Header {
    /// The header before an entry's data.
    pub fn local<R: Read + Seek>(source: &mut R, start: u64) -> Result<Self, Refusal> {
        let fixed = bytes_at(source, start, 30)?;
        Self::read(source, start + 30, short(&fixed, 26), short(&fixed, 28), 0)
    }

    /// The entry's header in the directory.
    pub fn central<R: Read + Seek>(source: &mut R, start: u64) -> Result<Self, Refusal> {
        let fixed = bytes_at(source, start, 46)?;
        Self::read(source, start + 46, short(&fixed, 28), short(&fixed, 30), short(&fixed, 32))
    }

    fn read<R: Read>(source: &mut R, at: u64, name: u16, extra: u16, comment: u16) -> Result<Self, Refusal> {
        let mut take = |length: u16| {
            let mut bytes = vec![0; usize::from(length)];
            source.read_exact(&mut bytes).map(|()| bytes).map_err(Refusal::from_io)
        };
        let end = at + u64::from(name) + u64::from(extra) + u64::from(comment);
        Ok(Self { name: take(name)?, extra: take(extra)?, end })
    }

    /// Whether it gives its entry `name` and no other. The field of Info-ZIP for names in UTF-8 is honoured by some programs
    /// and passed over by others; it may repeat the name.
    pub fn names_only(&self, name: &[u8]) -> bool {
        const UNICODE_PATH: u16 = 0x7075;
        const VERSION_AND_SUM: usize = 5;
        let mut rest = self.extra.as_slice();
        while rest.len() >= 4 {
            let (id, length) = (short(rest, 0), usize::from(short(rest, 2)));
            let Some((field, tail)) = rest[4..].split_at_checked(length) else { break };
            if id == UNICODE_PATH && field.get(VERSION_AND_SUM..) != Some(name) {
                return false;
            }
            rest = tail;
        }
        self.name == name
    }
}

/// Entries begin where the file does, follow each other without a byte shared or between them, and end at the directory.
pub(super) fn entries_fill<R: Read + Seek>(source: &mut R, mut spans: Vec<Span>, directory: u64) -> Result<(), Refusal> {
    spans.sort_unstable_by_key(|span| span.start);
    if spans.first().is_some_and(|first| first.start != 0) {
        return Err(inconsistent("it begins with data that its directory does not list"));
    }
    let next = spans.iter().skip(1).map(|span| span.start).chain([directory]).collect::<Vec<_>>();
    for (span, next) in spans.iter().zip(next) {
        let between = next.checked_sub(span.end).ok_or_else(|| inconsistent("two entries share the same bytes"))?;
        let accounted = match span.descriptor.as_ref().map(|descriptor| descriptor.written(between)) {
            None => between == 0,
            Some(None) => false,
            Some(Some(written)) => bytes_at(source, span.end, written.len())? == written,
        };
        if !accounted {
            return Err(inconsistent("between its entries lies data that its directory does not list"));
        }
    }
    Ok(())
}

/// The directory holds the entries it counts, and no more: its end follows the last of them.
pub(super) fn directory_ends<R: Read + Seek>(source: &mut R, at: u64) -> Result<(), Refusal> {
    match bytes_at(source, at, 4)?.as_slice() {
        b"PK\x05\x06" | b"PK\x06\x06" => Ok(()),
        _ => Err(inconsistent("its directory holds more than it counts")),
    }
}

fn inconsistent(detail: &str) -> Refusal {
    Refusal::Inconsistent { detail: detail.to_owned() }
}

fn bytes_at<R: Read + Seek>(source: &mut R, at: u64, length: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = vec![0; length];
    source.seek(SeekFrom::Start(at)).and_then(|_| source.read_exact(&mut bytes)).map_err(Refusal::from_io)?;
    Ok(bytes)
}

/// Two bytes of what has been found to be long enough.
fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}
