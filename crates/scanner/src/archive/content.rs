//! The content of one file while it is unpacked. Every byte is paid for: from the file's own limit and ratio, from the
//! package's total and from its time.

use crate::{Refusal, limits::Budget};
use std::{
    io::{self, Read},
    time::Duration,
};

/// Bytes of one file, metered.
pub(crate) struct Content<'a> {
    path: &'a str,
    packed: Option<u64>,
    produced: u64,
    reader: &'a mut dyn Read,
    budget: &'a mut Budget,
}

impl<'a> Content<'a> {
    /// `packed` is the file's own packed size, where the format knows it.
    pub fn new(path: &'a str, packed: Option<u64>, reader: &'a mut dyn Read, budget: &'a mut Budget) -> Self {
        Self { path, packed, produced: 0, reader, budget }
    }

    /// Bytes that came out so far.
    pub fn produced(&self) -> u64 {
        self.produced
    }

    /// Time that is left for the whole package.
    pub fn time_left(&self) -> Result<Duration, Refusal> {
        self.budget.time_left()
    }

    /// Fills `buffer` up to `want` bytes in all, or less at the end of the file. True when more may follow.
    pub fn fill(&mut self, buffer: &mut Vec<u8>, want: usize) -> Result<bool, Refusal> {
        let missing = want.saturating_sub(buffer.len());
        let n = self.by_ref().take(missing as u64).read_to_end(buffer).map_err(Refusal::from_io)?;
        Ok(n == missing)
    }

    fn pay(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.produced += bytes;
        if self.produced > self.budget.limits.max_file {
            return Err(Refusal::FileTooLarge { path: self.path.to_owned(), limit: self.budget.limits.max_file });
        }
        if let Some(packed) = self.packed {
            self.budget.ratio(Some(self.path), packed, self.produced)?;
        }
        self.budget.spend(bytes)
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.pay(n as u64).map_err(Refusal::into_io)?;
        Ok(n)
    }
}
