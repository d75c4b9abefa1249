//! What searches remember, counted as it is allocated: a budget holds for the peak, also while a table grows.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::verdict::{Exhausted, Meter};

/// How many words a block of memory has at least and at most. Blocks are not moved when more is needed.
const BLOCK: (usize, usize) = (256, 1 << 16);

/// Bytes taken from a budget.
#[derive(Debug, Default)]
struct Held(usize);

impl Held {
    fn hold(&mut self, bytes: usize, meter: &mut Meter) -> Result<(), Exhausted> {
        self.0 += bytes;
        meter.remember(bytes)
    }

    fn give_back(&mut self, bytes: usize, meter: &mut Meter) {
        self.0 -= bytes;
        meter.forget(bytes);
    }

    /// Makes room for one more in a table. While it grows, the old and the new one are both there.
    fn room<T>(
        &mut self,
        table: &mut HashTable<T>,
        hash: impl Fn(&T) -> u64,
        meter: &mut Meter,
    ) -> Result<(), Exhausted> {
        if table.len() < table.capacity() {
            return Ok(());
        }
        let before = table.allocation_size();
        let most = 2 * before + 64 + 16 * size_of::<T>();
        self.hold(most, meter)?;
        table.reserve(1, hash);
        self.give_back(most + before - table.allocation_size(), meter);
        Ok(())
    }
}

/// Where something stands: its block, and its place in it.
type Link = (u32, u32);

/// No set stands beside a sequence any more.
const END: Link = (u32::MAX, 0);
/// The empty set stands beside it, which is part of every other.
const EMPTY: Link = (u32::MAX, 1);

/// Sequences of words, and beside each of them sets of numbers. They are found by their hash and compared exactly, so that a collision
/// costs time and never a verdict.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    table: HashTable<Sequence>,
    blocks: Vec<Vec<u32>>,
    held: Held,
}

#[derive(Debug)]
struct Sequence {
    hash: u64,
    at: Link,
    length: u32,
    /// The set that was added last: where the one before it stands, its size, its numbers.
    sets: Link,
}

/// Whether a sequence is made of these words.
fn is(sequence: &Sequence, blocks: &[Vec<u32>], words: &[u32], hash: u64) -> bool {
    let (block, begin) = sequence.at;
    let begin = begin as usize;
    sequence.hash == hash && blocks[block as usize][begin..begin + sequence.length as usize] == *words
}

impl Sequences {
    /// Whether a sequence is there.
    pub(crate) fn contain(&self, words: &[u32]) -> bool {
        let hash = FxBuildHasher.hash_one(words);
        self.table.find(hash, |sequence| is(sequence, &self.blocks, words, hash)).is_some()
    }

    /// Adds a sequence and a sorted set beside it; false if it was there with that set or a part of it.
    pub(crate) fn add(
        &mut self,
        words: &[u32],
        beside: &[u32],
        meter: &mut Meter,
    ) -> Result<bool, Exhausted> {
        let hash = FxBuildHasher.hash_one(words);
        let known = self.table.find(hash, |sequence| is(sequence, &self.blocks, words, hash));
        let before = known.map(|sequence| sequence.sets);
        if let Some(sets) = before
            && self.has_part_of(sets, beside, meter)?
        {
            return Ok(false);
        }
        let sets = match beside {
            [] => EMPTY,
            _ => {
                let (block, place) = before.unwrap_or(END);
                self.keep(&[&[block, place, beside.len() as u32], beside], meter)?
            }
        };
        if before.is_some() {
            let blocks = &self.blocks;
            let known = self.table.find_mut(hash, |sequence| is(sequence, blocks, words, hash));
            known.expect("it was found above").sets = sets;
            return Ok(true);
        }
        self.held.room(&mut self.table, |sequence| sequence.hash, meter)?;
        let at = self.keep(&[words], meter)?;
        let sequence = Sequence { hash, at, length: words.len() as u32, sets };
        self.table.insert_unique(hash, sequence, |sequence| sequence.hash);
        Ok(true)
    }

    /// Whether one of some sets is part of another one.
    fn has_part_of(&self, mut sets: Link, whole: &[u32], meter: &mut Meter) -> Result<bool, Exhausted> {
        while sets != END && sets != EMPTY {
            let [block, place, size, rest @ ..] = &self.blocks[sets.0 as usize][sets.1 as usize..] else {
                unreachable!("a set has a head")
            };
            let mut left = whole.iter();
            if rest[..*size as usize].iter().all(|number| left.any(|other| other == number)) {
                return Ok(true);
            }
            meter.step()?;
            sets = (*block, *place);
        }
        Ok(sets == EMPTY)
    }

    /// Writes some words down, one after the other.
    fn keep(&mut self, parts: &[&[u32]], meter: &mut Meter) -> Result<Link, Exhausted> {
        let length = parts.iter().map(|part| part.len()).sum();
        let last = self.blocks.last().map_or(0, Vec::capacity);
        if self.blocks.last().is_none_or(|block| block.capacity() - block.len() < length) {
            let size = (2 * last).clamp(BLOCK.0, BLOCK.1).max(length);
            self.held.hold(4 * size + size_of::<Vec<u32>>(), meter)?;
            self.blocks.push(Vec::with_capacity(size));
        }
        let number = self.blocks.len() as u32 - 1;
        let block = &mut self.blocks[number as usize];
        let begin = block.len() as u32;
        parts.iter().for_each(|part| block.extend_from_slice(part));
        Ok((number, begin))
    }

    /// How many bytes it takes.
    pub(crate) fn held(&self) -> usize {
        self.held.0
    }
}

/// Values by number, each once.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    table: HashTable<u32>,
    pub(crate) all: Vec<T>,
    held: Held,
}

impl<T: Eq + Hash> Numbered<T> {
    /// Nothing but the value of number 0.
    pub(crate) fn new(first: T) -> Self {
        let mut table = HashTable::new();
        table.insert_unique(FxBuildHasher.hash_one(&first), 0, |_| FxBuildHasher.hash_one(&first));
        Numbered { all: vec![first], table, held: Held::default() }
    }

    /// The number of a value, a new one where it is new. `weight` is what the value takes in all.
    pub(crate) fn number(&mut self, value: T, weight: usize, meter: &mut Meter) -> Result<u32, Exhausted> {
        let hash = FxBuildHasher.hash_one(&value);
        let all = &mut self.all;
        if let Some(&number) = self.table.find(hash, |number| all[*number as usize] == value) {
            return Ok(number);
        }
        self.held.room(&mut self.table, |number| FxBuildHasher.hash_one(&all[*number as usize]), meter)?;
        if all.len() == all.capacity() {
            let before = all.capacity() * size_of::<T>();
            self.held.hold(2 * before.max(size_of::<T>()), meter)?;
            all.reserve_exact(all.len().max(1));
            self.held.give_back(before, meter);
        }
        self.held.hold(weight.saturating_sub(size_of::<T>()), meter)?;
        let number = all.len() as u32;
        all.push(value);
        self.table.insert_unique(hash, number, |number| FxBuildHasher.hash_one(&all[*number as usize]));
        Ok(number)
    }

    /// How many bytes it takes.
    pub(crate) fn held(&self) -> usize {
        self.held.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Budget;

    #[test]
    fn sequences_are_there_once_and_what_they_take_is_counted() {
        let mut meter = Meter::new(Budget::default());
        let mut sequences = Sequences::default();
        let words = |number: u32| vec![number; number as usize % 7];
        for number in 0..10_000 {
            let words = words(number);
            assert_eq!(sequences.add(&words, &[], &mut meter), Ok(!words.is_empty() || number == 0));
            assert_eq!(sequences.add(&words, &[], &mut meter), Ok(false));
        }
        assert!((0..10_000).all(|number| sequences.contain(&words(number))));
        assert!(!sequences.contain(&[9, 9, 9]));
        let least = sequences.table.allocation_size()
            + sequences.blocks.iter().map(|block| 4 * block.capacity()).sum::<usize>();
        assert!(meter.memory() >= least as u64 && meter.memory() < 2 * least as u64, "{}", meter.memory());
        assert_eq!(meter.memory(), sequences.held() as u64);
    }

    #[test]
    fn a_sequence_is_new_with_a_set_of_which_no_part_stood_beside_it() {
        let mut meter = Meter::new(Budget::default());
        let mut sequences = Sequences::default();
        let mut add = |words: &[u32], beside: &[u32]| sequences.add(words, beside, &mut meter).unwrap();
        assert!(add(&[1], &[2, 5]));
        assert!(!add(&[1], &[2, 5]));
        assert!(!add(&[1], &[2, 3, 5, 7]), "a part of it was there");
        assert!(add(&[1], &[2, 3]));
        assert!(add(&[1], &[5]));
        assert!(!add(&[1], &[4, 5]));
        assert!(add(&[2], &[2, 5]), "another sequence has sets of its own");
        assert!(add(&[1], &[]));
        assert!(!add(&[1], &[9]));
        assert!(!add(&[1], &[]));
    }

    #[test]
    fn what_does_not_fit_into_the_budget_is_not_allocated() {
        let mut meter = Meter::new(Budget { memory: 100_000, ..Budget::default() });
        let mut numbered = Numbered::new(0_u64);
        let full = (1..).find_map(|value| numbered.number(value, 8, &mut meter).err());
        assert_eq!(full, Some(Exhausted::Memory { limit: 100_000 }));
        assert!(numbered.table.allocation_size() + 8 * numbered.all.capacity() <= 100_000);
        assert_eq!(numbered.number(17, 8, &mut meter), Ok(17));
    }
}
