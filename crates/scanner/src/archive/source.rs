//! The packed bytes, and the line between our faults and theirs: an offset in a hostile header that lies outside the file
//! is refused here, before the operating system could call it an error of ours.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// A bounded view of the archive's bytes.
pub(crate) struct Source<R> {
    inner: BufReader<R>,
    len: u64,
    position: u64,
}

impl<R: Read + Seek> Source<R> {
    /// Measures the file and goes back to its start.
    pub fn new(mut reader: R) -> io::Result<Self> {
        let len = reader.seek(SeekFrom::End(0))?;
        reader.seek(SeekFrom::Start(0))?;
        Ok(Self { inner: BufReader::with_capacity(16 * 1024, reader), len, position: 0 })
    }

    /// Packed size.
    pub fn len(&self) -> u64 {
        self.len
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.position += n as u64;
        Ok(n)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount as u64;
        self.inner.consume(amount);
    }
}

impl<R: Read + Seek> Seek for Source<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let target = target
            .filter(|t| *t <= self.len)
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "an offset points outside the file"))?;
        let step = i128::from(target) - i128::from(self.position);
        match i64::try_from(step) {
            Ok(step) => self.inner.seek_relative(step)?, // keeps the buffer when the target is inside it
            Err(_) => self.inner.seek(SeekFrom::Start(target)).map(drop)?,
        }
        self.position = target;
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn an_offset_outside_is_the_packages_fault() {
        let mut source = Source::new(Cursor::new(b"0123456789".to_vec())).expect("memory");
        for to in [SeekFrom::Start(11), SeekFrom::Start(u64::MAX), SeekFrom::End(-11), SeekFrom::Current(-1)] {
            let error = source.seek(to).expect_err("outside");
            assert_eq!((error.kind(), error.raw_os_error()), (io::ErrorKind::UnexpectedEof, None));
        }
        let mut two = [0; 2];
        source.seek(SeekFrom::End(-3)).and_then(|_| source.read_exact(&mut two)).expect("inside");
        assert_eq!(&two, b"78");
        assert_eq!(source.stream_position().expect("known"), 9);
    }
}
