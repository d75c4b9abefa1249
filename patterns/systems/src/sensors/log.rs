//! A log of readings in a file: records of a fixed length, each with a checksum, appended and synced.
//!
//! What is found when it is opened is the longest beginning that is whole. It is written anew, to another file that replaces the
//! first: if an earlier process had a sync fail, what the kernel shows of the file need not be what is on the disk
//! (<https://lwn.net/Articles/752063/>).

use std::io::{self, ErrorKind};

use squall_rt::disk::{self, File, OpenOptions};
use xxhash_rust::xxh3::xxh3_64;

use super::{flaw::FlawKind, wire::Reading};

/// Sensor, number, time, value, checksum.
const RECORD: usize = 4 + 8 + 8 + 8 + 8;

/// An open log.
pub struct Log {
    file: File,
    /// Where the next record goes.
    end: u64,
    flaw: Option<FlawKind>,
}

/// What was found in a log.
pub struct Found {
    /// The readings, in the order they were appended.
    pub readings: Vec<Reading>,
    /// How many bytes at the end were not whole records, and are gone now.
    pub dropped: u64,
}

/// Why readings were not appended.
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

impl Log {
    /// Opens the log at `path`, in the root directory, creating it if missing.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn open(path: &str, flaw: Option<FlawKind>) -> io::Result<(Log, Found)> {
        let content = match read(path, flaw) {
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let readings = parse(&content, flaw != Some(FlawKind::TrustsTheDisk));
        let end = (readings.len() * RECORD) as u64;
        let dropped = content.len() as u64 - end;
        let unfinished = format!("{path}.new");
        let file = File::create(&unfinished)?;
        file.write_all_at(&encode(&readings), 0)?;
        file.sync_data()?;
        disk::rename(&unfinished, path)?;
        disk::sync_dir("/")?;
        // By its name, so that it is the file that the next process will find.
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok((Log { file, end, flaw }, Found { readings, dropped }))
    }

    /// Appends readings. They are durable after a [`sync`](Log::sync).
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append(&mut self, readings: &[Reading]) -> Result<(), AppendError> {
        let bytes = encode(readings);
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

    /// Reads the last record back, as an audit of the disk.
    ///
    /// # Errors
    /// When the disk fails, and when what it gives is not what was written.
    pub fn audit(&self) -> io::Result<()> {
        let Some(at) = self.end.checked_sub(RECORD as u64) else { return Ok(()) };
        let mut record = [0; RECORD];
        self.file.read_exact_at(&mut record, at)?;
        let verify = !matches!(self.flaw, Some(FlawKind::TrustsTheDisk | FlawKind::AppendsAfterTorn));
        if verify && parse(&record, true).is_empty() {
            return Err(io::Error::new(ErrorKind::InvalidData, "the last record of the log is damaged"));
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

fn encode(readings: &[Reading]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(readings.len() * RECORD);
    for Reading { sensor, seq, taken, value } in readings {
        let start = bytes.len();
        bytes.extend(sensor.to_le_bytes());
        for number in [seq, taken, value] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(xxh3_64(&bytes[start..]).to_le_bytes());
    }
    bytes
}

/// The records up to the first that is not whole.
fn parse(bytes: &[u8], verify: bool) -> Vec<Reading> {
    let record = |record: &[u8]| {
        let number = |at: usize| u64::from_le_bytes(record[at..at + 8].try_into().expect("eight bytes"));
        let sensor = u32::from_le_bytes(record[..4].try_into().expect("four bytes"));
        let whole = !verify || number(RECORD - 8) == xxh3_64(&record[..RECORD - 8]);
        whole.then(|| Reading { sensor, seq: number(4), taken: number(12), value: number(20) })
    };
    bytes.chunks_exact(RECORD).map_while(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(count: u64) -> Vec<Reading> {
        (0..count).map(|seq| Reading { sensor: 3, seq, taken: 1000 + seq, value: seq * seq }).collect()
    }

    #[test]
    fn what_was_encoded_is_parsed() {
        assert_eq!(parse(&encode(&readings(5)), true), readings(5));
    }

    #[test]
    fn a_torn_end_is_dropped_and_nothing_else() {
        let bytes = encode(&readings(3));
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len], true), readings((len / RECORD) as u64), "{len} bytes");
        }
    }

    #[test]
    fn no_flipped_bit_is_believed() {
        let bytes = encode(&readings(2));
        for bit in 0..bytes.len() * 8 {
            let mut rotten = bytes.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            let kept = parse(&rotten, true);
            assert_eq!(kept, readings((bit / 8 / RECORD) as u64), "bit {bit}");
        }
    }
}
