//! Any bytes as a package: both readings end in a value or a refusal, in bounded time and memory, and never blame us.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mywork_scanner::{Limits, Scanner};
use std::{io::Cursor, sync::LazyLock, time::Duration};

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new().expect("our own rules"));

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_total: 16 << 20, max_file: 8 << 20, deadline: Duration::from_secs(5), ..Limits::default() };
    for refusal in
        [SCANNER.inspect_reader(Cursor::new(bytes), &limits).err(), SCANNER.scan_reader(Cursor::new(bytes), &limits).err()]
    {
        assert!(refusal.is_none_or(|refusal| !refusal.is_ours()));
    }
});
