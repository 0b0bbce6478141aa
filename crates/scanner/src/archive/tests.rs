//! Honest archives are read to the byte; every kind of dishonest one is refused by the rule that names it.
//!
//! Proves: SCAN-01, SCAN-05 (bounds; that the worker survives is told in tests/killed.rs)

use super::{
    Content, Format, Source, Visitor, Walked,
    hostile::{Member, gzip, tar_entry, tar_gz, unicode_path, zip, zip_of},
    walk,
};
use crate::{Limits, Refusal, limits::Budget};
use proptest::prelude::*;
use std::{io::Cursor, time::Duration};
use tar::{EntryType, Header};

/// Keeps what it is shown.
#[derive(Default)]
struct Keep(Vec<(String, Vec<u8>)>);

impl Visitor for Keep {
    fn file(&mut self, path: &str, content: &mut Content<'_>) -> Result<(), Refusal> {
        let mut bytes = Vec::new();
        content.fill(&mut bytes, usize::MAX)?;
        self.0.push((path.to_owned(), bytes));
        Ok(())
    }
}

/// Looks at nothing: what it does not read must be checked all the same.
struct Skip;

impl Visitor for Skip {
    fn file(&mut self, _: &str, _: &mut Content<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

fn read(bytes: &[u8], limits: &Limits, visitor: &mut dyn Visitor) -> Result<Walked, Refusal> {
    let source = Source::new(Cursor::new(bytes)).expect("memory");
    walk(source, &mut Budget::new(limits, bytes.len() as u64), visitor)
}

/// The rule that refuses these bytes; both a reader and a skipper must meet it.
fn refused(bytes: &[u8]) -> &'static str {
    refused_within(bytes, &Limits::default())
}

fn refused_within(bytes: &[u8], limits: &Limits) -> &'static str {
    let rule = read(bytes, limits, &mut Skip).expect_err("must be refused").rule();
    assert_eq!(read(bytes, limits, &mut Keep::default()).expect_err("must be refused").rule(), rule);
    rule
}

#[test]
fn both_formats_give_the_same_files() {
    let files = [("README.md", "# Hello"), ("src/main.rs", "fn main() {}\n"), ("empty", "")];
    let tar = tar_gz(
        |b| {
            tar_entry(b, EntryType::Directory, "src/", b"");
            files.iter().for_each(|(name, data)| tar_entry(b, EntryType::Regular, name, data.as_bytes()));
        },
        b"",
    );
    for (bytes, format) in [(zip_of(&files), Format::Zip), (tar, Format::TarGz)] {
        let mut keep = Keep::default();
        let walked = read(&bytes, &Limits::default(), &mut keep).expect("honest");
        assert_eq!((walked.format, walked.unpacked_bytes), (format, 20));
        assert_eq!(keep.0, files.map(|(name, data)| (name.to_owned(), data.as_bytes().to_vec())));
        assert_eq!(walked.files.iter().map(|f| f.size).collect::<Vec<_>>(), [7, 13, 0]);
    }
}

#[test]
fn an_ordinary_zip_program_is_understood() {
    use ::zip::{ZipWriter, write::SimpleFileOptions};
    use std::io::Write;

    let seekable = {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_directory("src", SimpleFileOptions::default()).expect("memory");
        writer.start_file("src/ünï.py", SimpleFileOptions::default().large_file(true)).expect("memory");
        writer.write_all(b"print(1)").expect("memory");
        writer.finish().expect("memory").into_inner()
    };
    for bytes in [seekable, streamed()] {
        let walked = read(&bytes, &Limits::default(), &mut Keep::default()).expect("honest");
        assert_eq!(walked.files, [crate::FileEntry { path: "src/ünï.py".to_owned(), size: 8 }]);
    }
}

/// As a program writes it that cannot go back: sizes follow the data.
fn streamed() -> Vec<u8> {
    use ::zip::{ZipWriter, write::SimpleFileOptions};
    use std::io::Write;

    let mut writer = ZipWriter::new_stream(Vec::new());
    writer.start_file("src/ünï.py", SimpleFileOptions::default()).expect("memory");
    writer.write_all(b"print(1)").expect("memory");
    writer.finish().expect("memory").into_inner()
}

#[test]
fn long_names_come_by_both_extensions() {
    let long = format!("{}/deep.txt", "folder-with-a-long-name/".repeat(6).trim_end_matches('/'));
    let gnu = tar_gz(|b| b.append_data(&mut header(3), &long, &b"abc"[..]).expect("memory"), b"");
    let pax = tar_gz(
        |b| {
            let record = |n: usize| format!("{n} path={long}\n");
            let length = (0..).find(|n| record(*n).len() == *n).expect("a length that counts itself");
            tar_entry(b, EntryType::XHeader, "pax", record(length).as_bytes());
            tar_entry(b, EntryType::Regular, "short", b"abc");
        },
        b"",
    );
    for bytes in [gnu, pax] {
        assert_eq!(read(&bytes, &Limits::default(), &mut Skip).expect("honest").files[0].path, long);
    }
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header
}

#[test]
fn the_format_is_told_by_content() {
    let sentence = |bytes: &[u8]| read(bytes, &Limits::default(), &mut Skip).expect_err("no archive").sentence();
    assert_eq!(sentence(b"Rar!\x1a\x07"), "This is a RAR archive, not a zip or tar.gz archive.");
    assert_eq!(sentence(b"hello"), "This is not a zip or tar.gz archive.");
    assert_eq!(sentence(b""), "This is an empty file, not a zip or tar.gz archive.");
    assert_eq!(sentence(&gzip(&[b'x'; 2_000])), "This is a gzip file without a tar archive in it, not a zip or tar.gz archive.");
    assert_eq!(refused(&zip(&[])), "archive.empty");
    assert_eq!(refused(&gzip(&[0; 1_024])), "archive.empty");
}

#[test]
fn bombs_are_refused_before_they_unfold() {
    let zeros = vec![0u8; 8 << 20];
    assert_eq!(refused(&zip(&[Member::new("bomb", zeros.clone())])), "archive.ratio");
    assert_eq!(refused(&tar_gz(|b| tar_entry(b, EntryType::Regular, "bomb", &zeros), b"")), "archive.ratio");
    let modest = Member { announced: Some(100), ..Member::new("modest", zeros) };
    assert_eq!(refused(&zip(&[modest])), "archive.inconsistent", "nothing beyond what was announced is unpacked");
}

#[test]
fn bombs_whose_files_share_bytes_are_refused() {
    let mut bytes = zip(&[Member::new("a", "x".repeat(500)), Member::new("b", "y".repeat(500))]);
    let second = find(&bytes, b"PK\x01\x02", 1);
    let first_offset = [0u8; 4];
    bytes[second + 42..second + 46].copy_from_slice(&first_offset);
    assert_eq!(refused(&bytes), "archive.inconsistent");
}

#[test]
fn sizes_counts_and_time_are_bounded() {
    let two = zip_of(&[("a", &"1".repeat(60)), ("b", &"2".repeat(60))]);
    let with = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    assert_eq!(refused_within(&two, &with(|l| l.max_entries = 1)), "archive.entries");
    assert_eq!(refused_within(&two, &with(|l| l.max_total = 100)), "archive.total-size");
    assert_eq!(refused_within(&two, &with(|l| l.max_file = 59)), "archive.file-size");
    assert_eq!(refused_within(&two, &with(|l| l.deadline = Duration::ZERO)), "archive.timeout");
}

#[test]
fn paths_links_and_devices() {
    let mode = |mode| zip(&[Member { mode, ..Member::new("entry", "target") }]);
    assert_eq!(refused(&zip_of(&[("../evil", "x")])), "archive.traversal");
    assert_eq!(refused(&zip_of(&[("/etc/cron.d/evil", "x")])), "archive.absolute-path");
    assert_eq!(refused(&zip_of(&[("NUL.txt", "x")])), "archive.reserved-name");
    assert_eq!(refused(&zip_of(&[("a.txt", "x"), ("A.TXT", "y")])), "archive.duplicate");
    assert_eq!(refused(&zip_of(&[("same", "x"), ("same", "y")])), "archive.duplicate");
    assert_eq!(refused(&mode(0o120_777)), "archive.link");
    assert_eq!(refused(&mode(0o020_666)), "archive.special-file");
    for (kind, rule) in [
        (EntryType::Symlink, "archive.link"),
        (EntryType::Link, "archive.link"),
        (EntryType::Char, "archive.special-file"),
        (EntryType::Fifo, "archive.special-file"),
        (EntryType::GNUSparse, "archive.special-file"),
    ] {
        assert_eq!(refused(&tar_gz(|b| tar_entry(b, kind, "entry", b""), b"")), rule, "{kind:?}");
    }
    assert_eq!(refused(&tar_gz(|b| tar_entry(b, EntryType::Regular, "../evil", b"x"), b"")), "archive.traversal");
    assert_eq!(refused(&tar_gz(|b| tar_entry(b, EntryType::Regular, "/evil", b"x"), b"")), "archive.absolute-path");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let encrypted = zip(&[Member { flags: 1 | 1 << 11, deflate: false, ..Member::new("secret", "0123456789abcdef") }]);
    assert_eq!(refused(&encrypted), "archive.encrypted");
    let mut bzip = zip_of(&[("a", "abc")]);
    let (local, central) = (find(&bzip, b"PK\x03\x04", 0), find(&bzip, b"PK\x01\x02", 0));
    bzip[local + 8] = 12;
    bzip[central + 10] = 12;
    assert_eq!(refused(&bzip), "archive.method");
}

#[test]
fn lies_between_headers_are_refused() {
    let cloaked = Member { local_name: Some(b"other.txt".to_vec()), ..Member::new("shown.txt", "x") };
    assert_eq!(refused(&zip(&[cloaked])), "archive.inconsistent");
    let mut hidden = zip_of(&[("hidden", "x")]);
    hidden.truncate(find(&hidden, b"PK\x01\x02", 0));
    hidden.extend(zip_of(&[("shown", "y")]));
    assert_eq!(refused(&hidden), "archive.inconsistent");
    assert_eq!(refused(&tar_gz(|b| tar_entry(b, EntryType::Regular, "a", b"x"), b"hidden")), "archive.inconsistent");
}

#[test]
fn nothing_hides_between_what_is_listed() {
    let (readme, hidden) = (Member::new("README.md", "# x"), Member { listed: false, ..Member::new("../shell.php", "<?php") });
    let last = Member::new("src/a.py", "print(1)");
    assert_eq!(refused(&zip(&[hidden.clone(), readme.clone()])), "archive.inconsistent");
    assert_eq!(refused(&zip(&[readme.clone(), hidden.clone(), last.clone()])), "archive.inconsistent");
    assert_eq!(refused(&zip(&[readme.clone(), hidden.clone()])), "archive.inconsistent");

    // Inside the packed data of a listed file, behind the end of what is packed there; and of a folder, which nobody reads.
    let entry = zip(&[hidden]);
    let entry = &entry[..find(&entry, b"PK\x05\x06", 0)];
    for deflate in [true, false] {
        let host = Member { deflate, trailing: entry.to_vec(), ..readme.clone() };
        assert_eq!(refused(&zip(&[host])), "archive.inconsistent");
    }
    let folder = Member { trailing: entry.to_vec(), ..Member::new("src/", "") };
    assert_eq!(refused(&zip(&[readme.clone(), folder])), "archive.inconsistent");

    // In the place of what follows data of unknown length; and an entry that the directory holds and does not count.
    let mut counted = zip(&[readme, last]);
    let end = find(&counted, b"PK\x05\x06", 0);
    counted[end + 8] = 1;
    counted[end + 10] = 1;
    assert_eq!(refused(&counted), "archive.inconsistent");
    let mut lying = streamed();
    let descriptor = find(&lying, b"PK\x07\x08", 0);
    lying[descriptor + 5] ^= 0xff;
    assert_eq!(refused(&lying), "archive.inconsistent");
}

#[test]
fn an_entry_has_one_name() {
    let named = |name: &str, other: &str| Member { extra: unicode_path(name, other), ..Member::new(name, "x") };
    assert_eq!(refused(&zip(&[named("../../.bashrc", "README.md")])), "archive.inconsistent");
    assert_eq!(refused(&zip(&[named("README.md", "../../.bashrc")])), "archive.inconsistent");
    let mut stale = named("README.md", "../../.bashrc");
    stale.extra[5] ^= 0xff; // a sum that does not fit: some programs look at it, some do not
    assert_eq!(refused(&zip(&[stale])), "archive.inconsistent");
    let mut twice = named("README.md", "../../.bashrc");
    twice.extra.extend(unicode_path("README.md", "README.md"));
    assert_eq!(refused(&zip(&[twice])), "archive.inconsistent");
    let same = zip(&[named("ünï.py", "ünï.py")]); // as zip does on Linux
    assert_eq!(read(&same, &Limits::default(), &mut Skip).expect("honest").files[0].path, "ünï.py");
}

#[test]
fn one_header_does_not_name_all_files_of_a_tar() {
    let global = |record: &[u8]| {
        tar_gz(
            |b| {
                tar_entry(b, EntryType::XGlobalHeader, "pax_global_header", record);
                tar_entry(b, EntryType::Regular, "a", b"x");
                tar_entry(b, EntryType::Regular, "b", b"y");
            },
            b"",
        )
    };
    assert_eq!(refused(&global(b"21 path=../../.bashrc\n")), "archive.damaged", "a record that miscounts itself");
    assert_eq!(refused(&global(b"22 path=../../.bashrc\n")), "archive.inconsistent");
    let comment = global(b"19 comment=0123456\n"); // as `git archive` notes its commit
    assert_eq!(read(&comment, &Limits::default(), &mut Skip).expect("honest").files.len(), 2);
}

#[test]
fn damage_is_noticed_even_where_nobody_reads() {
    let whole = zip_of(&[("a", "some content, long enough to be deflated, some content")]);
    assert_eq!(refused(&whole[..whole.len() - 30]), "archive.truncated");
    let mut flipped = whole;
    flipped[31 + 5] ^= 0xff;
    assert!(["archive.damaged", "archive.truncated"].contains(&refused(&flipped)));
    let tar = tar_gz(|b| tar_entry(b, EntryType::Regular, "a", &[7; 3_000]), b"");
    assert_eq!(refused(&tar[..tar.len() - 4]), "archive.truncated");
    let mut sum = tar.clone();
    let end = sum.len() - 6;
    sum[end] ^= 0xff;
    assert_eq!(refused(&sum), "archive.damaged");
}

#[test]
fn a_long_name_that_is_too_long_is_not_loaded() {
    let bytes = tar_gz(|b| tar_entry(b, EntryType::GNULongName, "././@LongLink", &vec![b'a'; 1 << 20]), b"");
    assert_eq!(refused(&bytes), "archive.damaged");
}

fn find(bytes: &[u8], needle: &[u8], skip: usize) -> usize {
    bytes.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle).nth(skip).expect("present").0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000), magic in 0..3usize) {
        let mut bytes = bytes;
        let start: &[u8] = [&b"PK\x03\x04"[..], &[0x1f, 0x8b, 8, 0], &[]][magic];
        bytes.splice(..0, start.iter().copied());
        let _ = read(&bytes, &Limits::default(), &mut Skip);
    }

    #[test]
    fn mutated_archives_never_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut in any::<prop::sample::Index>(), tar in any::<bool>()) {
        let mut bytes = if tar {
            tar_gz(|b| {
                tar_entry(b, EntryType::Directory, "d/", b"");
                b.append_data(&mut header(4), "d/".repeat(60) + "long", &b"data"[..]).expect("memory");
            }, b"")
        } else {
            zip_of(&[("README.md", "# Title\n\ntext"), ("src/", ""), ("src/a.py", "print(1)\nprint(2)\n")])
        };
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len()) + 1);
        }
        if let Err(refusal) = read(&bytes, &Limits::default(), &mut Keep::default()) {
            prop_assert!(!refusal.is_ours(), "blamed ourselves: {refusal:?}");
        }
    }
}
