//! What a collector has: readings in the order of their numbers, without gaps, on its disk before anyone hears of them.

use std::{collections::BTreeMap, io};

use squall::Node;

use super::{
    Params,
    flaw::FlawKind,
    log::{AppendError, Log},
    wire::Reading,
};

/// How far ahead of the one that is wanted a reading may be to be kept.
const AHEAD: u64 = 64;
/// How many readings a sloppy collector keeps in memory before it writes or syncs them.
const BATCH: usize = 16;
/// How many readings [`FlawKind::ShortMemory`] remembers.
const REMEMBERED: usize = 16;
/// No cluster has more sensors; what claims to be of one is not a reading.
const MAX_SENSORS: u32 = 1 << 16;

/// What there is of one sensor.
#[derive(Default)]
struct Track {
    readings: Vec<Reading>,
    /// The number that is wanted.
    next: u64,
    /// What came too early.
    early: BTreeMap<u64, Reading>,
}

impl Track {
    fn push(&mut self, reading: Reading) {
        self.next = self.next.max(reading.seq.saturating_add(1));
        self.readings.push(reading);
    }
}

/// The readings of a collector.
pub struct Store {
    params: Params,
    log: Log<Reading>,
    tracks: BTreeMap<u32, Track>,
    /// Flawed variants only: acknowledged and not written, or not synced.
    unwritten: Vec<Reading>,
    unsynced: usize,
}

impl Store {
    /// Opens what is on the disk, and reports what there is of each sensor.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn open(node: &Node, params: &Params) -> io::Result<Self> {
        let (log, found) = Log::<Reading>::open("/collected.log", params.flaw)?;
        if found.dropped > 0 {
            tracing::info!(target: "collector", bytes = found.dropped, "dropped");
        }
        let mut tracks = BTreeMap::<u32, Track>::new();
        for sensor in 0..node.hosts("sensors").len() as u32 {
            tracks.entry(sensor).or_default();
        }
        for reading in found.entries.into_iter().filter(|reading| reading.sensor < MAX_SENSORS) {
            let track = tracks.entry(reading.sensor).or_default();
            // What is behind a gap is no use; it is sent again.
            if reading.seq == track.next {
                track.push(reading);
            }
        }
        for (sensor, track) in &tracks {
            tracing::info!(target: "collector", sensor, next = track.next, "opened");
        }
        let params = params.clone();
        Ok(Store { params, log, tracks, unwritten: Vec::new(), unsynced: 0 })
    }

    /// Takes a reading that came, and says which one of its sensor is wanted next. Whatever is below that is durable.
    ///
    /// # Errors
    /// When the disk fails: the process cannot go on.
    pub fn take(&mut self, reading: Reading) -> io::Result<Option<u64>> {
        if reading.sensor >= MAX_SENSORS {
            return Ok(None);
        }
        let track = self.tracks.entry(reading.sensor).or_default();
        let batch = match self.params.flaw {
            Some(FlawKind::NoDedup) if reading.seq < track.next => vec![reading],
            Some(FlawKind::ShortMemory) if reading.seq < track.next => {
                let mut recent = track.readings.iter().rev().take(REMEMBERED);
                if recent.any(|known| known.seq == reading.seq) { Vec::new() } else { vec![reading] }
            }
            Some(FlawKind::TrustsOrder) if reading.seq >= track.next => vec![reading],
            _ if (track.next..track.next.saturating_add(AHEAD)).contains(&reading.seq) => {
                track.early.insert(reading.seq, reading);
                let wanted = |seq: &u64| track.early.get(seq).copied();
                (track.next..).map_while(|seq| wanted(&seq)).collect()
            }
            _ => Vec::new(),
        };
        if batch.is_empty() {
            if reading.seq < track.next {
                tracing::info!(target: "collector", sensor = reading.sensor, seq = reading.seq, "repeated");
            }
        } else if self.persist(&batch)? {
            let track = self.tracks.get_mut(&reading.sensor).expect("it was just looked at");
            for stored in batch {
                track.early.remove(&stored.seq);
                track.push(stored);
                let Reading { sensor, seq, value, .. } = stored;
                tracing::info!(target: "effect", sensor, seq, value = format!("{value:016x}"), "stored");
            }
        } else {
            tracing::info!(target: "collector", sensor = reading.sensor, seq = reading.seq, "refused");
        }
        Ok(Some(self.wanted(reading.sensor)))
    }

    /// Makes readings durable. False if there is no room for them.
    fn persist(&mut self, batch: &[Reading]) -> io::Result<bool> {
        if self.params.is(FlawKind::AcksFromMemory) {
            // Flawed: nobody but this process knows of them.
            self.unwritten.extend(batch);
            if self.unwritten.len() < BATCH {
                return Ok(true);
            }
        }
        let unwritten = std::mem::take(&mut self.unwritten);
        match self.log.append(if unwritten.is_empty() { batch } else { &unwritten }) {
            Ok(()) => {}
            // Flawed: they are nowhere.
            Err(AppendError::Full) if self.params.is(FlawKind::DropsOnFull) => return Ok(true),
            Err(AppendError::Full) => return Ok(false),
            Err(AppendError::Broken(e)) => return Err(e),
        }
        if self.params.is(FlawKind::AcksBeforeSync) {
            // Flawed: they are in the page cache, and the machine may lose power.
            self.unsynced += batch.len();
            if self.unsynced < BATCH {
                return Ok(true);
            }
            self.unsynced = 0;
        }
        self.log.sync()?;
        Ok(true)
    }

    /// Which reading of a sensor is wanted next.
    pub fn wanted(&self, sensor: u32) -> u64 {
        self.tracks.get(&sensor).map_or(0, |track| track.next)
    }

    /// The newest readings of a sensor, oldest first; None if there are fewer than a client has seen.
    pub fn newest(&self, sensor: u32, count: u32, seen: u64) -> Option<Vec<Reading>> {
        let none = Track::default();
        let track = self.tracks.get(&sensor).unwrap_or(&none);
        if track.next < seen {
            return None;
        }
        let from = track.readings.len().saturating_sub(count as usize);
        let mut newest = track.readings[from..].to_vec();
        if self.params.is(FlawKind::LatestByClock) {
            // Flawed: the last write wins, by whatever clock it was written.
            newest = track.readings.clone();
            newest.sort_by_key(|reading| reading.taken);
            newest.drain(..newest.len().saturating_sub(count as usize));
        }
        Some(newest)
    }

    /// Looks whether the disk still has what it was given.
    ///
    /// # Errors
    /// When the disk fails or has something else.
    pub fn audit(&self) -> io::Result<()> {
        self.log.audit()
    }
}
