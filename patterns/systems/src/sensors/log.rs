//! A log in a file: entries of a fixed length, each with a checksum, appended and synced.
//!
//! What is found when it is opened is the longest beginning that is whole. It is written anew, to another file that replaces the
//! first: if an earlier process had a sync fail, what the kernel shows of the file need not be what is on the disk
//! (<https://lwn.net/Articles/752063/>).

use std::{
    io::{self, ErrorKind},
    marker::PhantomData,
};

use squall_rt::disk::{self, File, OpenOptions};
use xxhash_rust::xxh3::xxh3_64;

use super::flaw::FlawKind;

/// Four numbers and a checksum.
const LENGTH: usize = 5 * 8;

/// What a log holds: anything that is four numbers.
pub trait Entry: Copy {
    /// As numbers.
    fn numbers(&self) -> [u64; 4];
    /// From numbers.
    fn from_numbers(numbers: [u64; 4]) -> Self;
}

/// An open log.
pub struct Log<E> {
    file: File,
    /// Where the next entry goes.
    end: u64,
    flaw: Option<FlawKind>,
    entries: PhantomData<E>,
}

/// What was found in a log.
pub struct Found<E> {
    /// The entries, in the order they were appended.
    pub entries: Vec<E>,
    /// How many bytes at the end were not whole entries, and are gone now.
    pub dropped: u64,
}

/// Why entries were not appended.
#[derive(Debug)]
pub enum AppendError {
    /// The disk is full. Nothing was appended, and the log is as it was.
    Full,
    /// The disk failed: only opening the log again tells what is in it.
    Broken(io::Error),
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        AppendError::Broken(error)
    }
}

impl<E: Entry> Log<E> {
    /// Opens the log at `path`, in the root directory, creating it if missing.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn open(path: &str, flaw: Option<FlawKind>) -> io::Result<(Self, Found<E>)> {
        let content = match read(path, flaw) {
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let entries: Vec<E> = parse(&content, flaw != Some(FlawKind::TrustsTheDisk));
        let end = (entries.len() * LENGTH) as u64;
        let dropped = content.len() as u64 - end;
        let unfinished = format!("{path}.new");
        let file = File::create(&unfinished)?;
        file.write_all_at(&encode(&entries), 0)?;
        file.sync_data()?;
        disk::rename(&unfinished, path)?;
        disk::sync_dir("/")?;
        // By its name, so that it is the file that the next process will find.
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok((Log { file, end, flaw, entries: PhantomData }, Found { entries, dropped }))
    }

    /// Appends entries. They are durable after a [`sync`](Log::sync).
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append(&mut self, entries: &[E]) -> Result<(), AppendError> {
        let bytes = encode(entries);
        match self.file.write_all_at(&bytes, self.end) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::StorageFull => {
                // A first part may be there, and would be in the way of what comes next.
                self.file.set_len(self.end)?;
                return Err(AppendError::Full);
            }
            Err(_) if self.flaw == Some(FlawKind::AppendsAfterTorn) => {
                // Flawed: what is left of the first attempt stays where it is, and ends the log for whoever opens it.
                self.end = self.file.len()?;
                self.file.write_all_at(&bytes, self.end)?;
            }
            Err(e) => return Err(e.into()),
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// When the disk fails: what was appended is lost then, whatever a later sync says.
    pub fn sync(&self) -> io::Result<()> {
        match self.file.sync_data() {
            // Flawed: the second sync has nothing to write, as the first has marked it clean.
            Err(_) if self.flaw == Some(FlawKind::RetriesSync) => self.file.sync_data(),
            synced => synced,
        }
    }

    /// Reads the last entry back, as an audit of the disk.
    ///
    /// # Errors
    /// When the disk fails, and when what it gives is not what was written.
    pub fn audit(&self) -> io::Result<()> {
        let Some(at) = self.end.checked_sub(LENGTH as u64) else { return Ok(()) };
        let mut entry = [0; LENGTH];
        self.file.read_exact_at(&mut entry, at)?;
        let verify = !matches!(self.flaw, Some(FlawKind::TrustsTheDisk | FlawKind::AppendsAfterTorn));
        if verify && parse::<E>(&entry, true).is_empty() {
            return Err(io::Error::new(ErrorKind::InvalidData, "the last entry of the log is damaged"));
        }
        Ok(())
    }
}

fn read(path: &str, flaw: Option<FlawKind>) -> io::Result<Vec<u8>> {
    if flaw != Some(FlawKind::SingleRead) {
        return disk::read(path);
    }
    // Flawed: read(2) may give less than was asked for.
    let file = File::open(path)?;
    let mut content = vec![0; file.len()? as usize];
    let count = file.read_at(&mut content, 0)?;
    content.truncate(count);
    Ok(content)
}

fn encode<E: Entry>(entries: &[E]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * LENGTH);
    for entry in entries {
        let start = bytes.len();
        for number in entry.numbers() {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(xxh3_64(&bytes[start..]).to_le_bytes());
    }
    bytes
}

/// The entries up to the first that is not whole.
fn parse<E: Entry>(bytes: &[u8], verify: bool) -> Vec<E> {
    let entry = |entry: &[u8]| {
        let number = |n: usize| u64::from_le_bytes(entry[8 * n..8 * n + 8].try_into().expect("eight bytes"));
        let whole = !verify || number(4) == xxh3_64(&entry[..LENGTH - 8]);
        whole.then(|| E::from_numbers([number(0), number(1), number(2), number(3)]))
    };
    bytes.chunks_exact(LENGTH).map_while(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Entry for [u64; 4] {
        fn numbers(&self) -> [u64; 4] {
            *self
        }
        fn from_numbers(numbers: [u64; 4]) -> Self {
            numbers
        }
    }

    fn entries(count: u64) -> Vec<[u64; 4]> {
        (0..count).map(|n| [3, n, 1000 + n, n * n]).collect()
    }

    #[test]
    fn what_was_encoded_is_parsed() {
        assert_eq!(parse::<[u64; 4]>(&encode(&entries(5)), true), entries(5));
    }

    #[test]
    fn a_torn_end_is_dropped_and_nothing_else() {
        let bytes = encode(&entries(3));
        for len in 0..bytes.len() {
            assert_eq!(parse::<[u64; 4]>(&bytes[..len], true), entries((len / LENGTH) as u64), "{len} bytes");
        }
    }

    #[test]
    fn no_flipped_bit_is_believed() {
        let bytes = encode(&entries(2));
        for bit in 0..bytes.len() * 8 {
            let mut rotten = bytes.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            let kept = parse::<[u64; 4]>(&rotten, true);
            assert_eq!(kept, entries((bit / 8 / LENGTH) as u64), "bit {bit}");
        }
    }
}
