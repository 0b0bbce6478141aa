//! Archives built byte by byte for the tests of this crate, because no honest program would write them.

use flate2::{Compression, Crc, write::DeflateEncoder, write::GzEncoder};
use std::io::Write;

/// One entry of a zip; every field may lie.
#[derive(Clone)]
pub(crate) struct Member {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    pub deflate: bool,
    pub flags: u16,
    pub mode: u32,
    /// Name in the header before the data, where it differs from the directory's.
    pub local_name: Option<Vec<u8>>,
    /// Announced size, where it differs from the true one.
    pub announced: Option<u32>,
    /// Extra field of both headers.
    pub extra: Vec<u8>,
    /// Bytes that are counted among the packed data, behind the end of what is packed.
    pub trailing: Vec<u8>,
    /// Whether the directory knows of it.
    pub listed: bool,
}

impl Member {
    pub fn new(name: &str, data: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            data: data.into(),
            deflate: true,
            flags: 1 << 11, // UTF-8 name
            mode: 0o100_644,
            local_name: None,
            announced: None,
            extra: Vec::new(),
            trailing: Vec::new(),
            listed: true,
        }
    }
}

/// A zip of these files, as an honest program would write it.
pub(crate) fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
    zip(&files.iter().map(|(name, data)| Member::new(name, *data)).collect::<Vec<_>>())
}

/// A zip of these members, exactly as they say.
pub(crate) fn zip(members: &[Member]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let offset = u32::try_from(out.len()).expect("small");
        let mut crc = Crc::new();
        crc.update(&member.data);
        let mut packed = if member.deflate { deflate(&member.data) } else { member.data.clone() };
        packed.extend(&member.trailing);
        let size = member.announced.unwrap_or(u32::try_from(member.data.len()).expect("small"));
        let fields = |name: &[u8]| {
            let mut bytes = Vec::new();
            bytes.extend(20u16.to_le_bytes());
            bytes.extend(member.flags.to_le_bytes());
            bytes.extend((if member.deflate { 8u16 } else { 0 }).to_le_bytes());
            bytes.extend([0, 0, 0x21, 0x58]); // some afternoon in 2024
            bytes.extend(crc.sum().to_le_bytes());
            bytes.extend(u32::try_from(packed.len()).expect("small").to_le_bytes());
            bytes.extend(size.to_le_bytes());
            bytes.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
            bytes.extend(u16::try_from(member.extra.len()).expect("short").to_le_bytes());
            bytes
        };
        let local_name = member.local_name.as_ref().unwrap_or(&member.name);
        out.extend(b"PK\x03\x04");
        out.extend(fields(local_name));
        out.extend(local_name);
        out.extend(&member.extra);
        out.extend(&packed);
        if !member.listed {
            continue;
        }

        directory.extend(b"PK\x01\x02");
        directory.extend((3u16 << 8 | 20).to_le_bytes()); // made on Unix
        directory.extend(fields(&member.name));
        directory.extend([0; 6]); // comment, disk, internal attributes
        directory.extend((member.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&member.name);
        directory.extend(&member.extra);
    }
    let listed = members.iter().filter(|member| member.listed).count();
    let (count, start) = (u16::try_from(listed).expect("few"), u32::try_from(out.len()).expect("small"));
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(u32::try_from(directory.len()).expect("small").to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend(0u16.to_le_bytes());
    out
}

/// The extra field that gives an entry with the header's name `old` the name `new`, for programs that honour it.
pub(crate) fn unicode_path(old: &str, new: &str) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(old.as_bytes());
    let mut field = 0x7075u16.to_le_bytes().to_vec();
    field.extend(u16::try_from(new.len() + 5).expect("short").to_le_bytes());
    field.push(1);
    field.extend(crc.sum().to_le_bytes());
    field.extend(new.as_bytes());
    field
}

/// A tar.gz with whatever `build` writes into it, followed by `tail`.
pub(crate) fn tar_gz(build: impl FnOnce(&mut tar::Builder<Vec<u8>>), tail: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    build(&mut builder);
    let mut bytes = builder.into_inner().expect("memory");
    bytes.extend(tail);
    gzip(&bytes)
}

/// One entry of a tar of any type and name.
pub(crate) fn tar_entry(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, data: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, data).expect("memory");
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
}
