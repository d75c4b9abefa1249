//! What is judged: no acknowledged write is lost.

use crate::{CLIENTS, KEYS, SERVERS};

/// What clients were told, and what servers hold.
#[derive(Default)]
pub struct Ledger {
    /// By key: the latest stamp that a client was told of.
    told: [u64; KEYS],
    /// By client: what had been told of its key when its operation began.
    floors: [u64; CLIENTS],
    /// By server and key: the stamp it holds.
    held: [[u64; KEYS]; SERVERS],
    /// How many operations were judged.
    pub judged: u64,
}

impl Ledger {
    /// A client begins an operation.
    pub fn invoked(&mut self, client: usize, key: u8) {
        self.floors[client] = self.told[usize::from(key)];
    }

    /// Its operation ended well: it wrote, or read, the value with this stamp.
    ///
    /// # Errors
    /// When a later one had been acknowledged before the operation began.
    pub fn completed(&mut self, client: usize, key: u8, stamp: u64) -> Result<(), String> {
        self.judged += 1;
        let told = &mut self.told[usize::from(key)];
        *told = stamp.max(*told);
        let floor = self.floors[client];
        if stamp < floor {
            Err(format!("key {key}: {floor} was acknowledged, then {stamp} seen"))
        } else {
            Ok(())
        }
    }

    /// A server holds the value with this stamp.
    pub fn stored(&mut self, server: usize, key: u8, stamp: u64) {
        self.held[server][usize::from(key)] = stamp;
    }

    /// A server lost its memory.
    pub fn crashed(&mut self, server: usize) {
        self.held[server] = Default::default();
    }

    /// The end: what was acknowledged is at a majority.
    ///
    /// # Errors
    /// When it is not.
    pub fn finish(&self) -> Result<(), String> {
        for (key, &told) in self.told.iter().enumerate() {
            let copies = self.held.iter().filter(|held| held[key] >= told).count();
            if copies <= SERVERS / 2 {
                return Err(format!("key {key}: {told} was acknowledged and is at {copies} servers"));
            }
        }
        Ok(())
    }
}
