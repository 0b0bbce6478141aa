//! Packages that sellers bring, honest ones and others, built in memory.

use std::io::{Cursor, Write};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const README: &str = "# Starter\n\nA small starter kit. Run `cargo run` and open the address it prints.\n";
const LICENCE: &str = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy.\n";
const MANIFEST: &str = "[package]\nname = \"starter\"\nversion = \"1.0.0\"\nedition = \"2024\"\nlicense = \"MIT\"\n\n[dependencies]\nserde = \"1\"\n";
const SOURCE: &str = "//! Says hello.\n\nfn main() {\n    println!(\"hello\");\n}\n";

/// What an honest seller brings.
pub fn honest() -> Vec<u8> {
    with(&[])
}

/// The honest package and these files besides.
pub fn with(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all: Vec<(&str, &[u8])> = vec![
        ("starter/README.md", README.as_bytes()),
        ("starter/LICENSE", LICENCE.as_bytes()),
        ("starter/Cargo.toml", MANIFEST.as_bytes()),
        ("starter/src/main.rs", SOURCE.as_bytes()),
    ];
    all.extend_from_slice(files);
    zip(&all)
}

/// Somebody forgot a live key of a payment provider in it.
pub fn with_leaked_key() -> Vec<u8> {
    // Put together here, so that no scanner of this repository takes it for a real one.
    let key = format!("STRIPE_KEY = \"sk_{}_{}\"\n", "live", "4eC39HqLyjWDarjtT1zdp7dcQx7Rk2Vb");
    with(&[("starter/config/settings.py", key.as_bytes())])
}

/// Two hundred megabytes of nothing in a few kilobytes.
pub fn bomb() -> Vec<u8> {
    with(&[("starter/data.bin", &vec![0; 200 << 20])])
}

/// Honest, and takes a scanner long.
pub fn laborious() -> Vec<u8> {
    let words = (0..400_000_u64).map(|n| format!("let name_{} = call_{}({n});\n", n * 7_919 % 10_007, n % 613));
    let text: String = words.collect();
    with(&[("starter/src/one.js", text.as_bytes()), ("starter/src/two.js", text.as_bytes())])
}

/// Wants to be unpacked outside of its folder.
pub fn traversal() -> Vec<u8> {
    with(&[("../../etc/cron.d/owned", b"* * * * * root true\n")])
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer
            .start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
            .expect("a new file");
        writer.write_all(bytes).expect("memory takes it");
    }
    writer.finish().expect("a whole archive").into_inner()
}
