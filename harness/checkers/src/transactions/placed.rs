//! Which events a search has placed.

/// A set of numbers that fills up from below: nearly all below some number are in it, and none above another. What is
/// between these two is the *window*, which is as long as the concurrency is, however long the history.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    words: Vec<u32>,
    /// All words before this one are full.
    full: usize,
    /// All words from this one on are empty.
    top: usize,
}

impl Placed {
    /// Nothing of so many numbers.
    pub(crate) fn new(numbers: usize) -> Self {
        Placed { words: vec![0; numbers.div_ceil(32)], full: 0, top: 0 }
    }

    /// Adds a number.
    pub(crate) fn add(&mut self, number: u32) {
        let at = number as usize / 32;
        self.words[at] |= 1 << (number % 32);
        self.top = self.top.max(at + 1);
        while self.words.get(self.full) == Some(&u32::MAX) {
            self.full += 1;
        }
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, number: u32) {
        let at = number as usize / 32;
        self.words[at] &= !(1 << (number % 32));
        self.full = self.full.min(at);
        while self.top > 0 && self.words[self.top - 1] == 0 {
            self.top -= 1;
        }
    }

    /// The set in few words, the same for the same set and no other.
    pub(crate) fn write_down(&self, into: &mut Vec<u32>) {
        into.clear();
        into.push(self.full as u32);
        into.extend_from_slice(&self.words[self.full..self.top.max(self.full)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashMap};

    #[test]
    fn what_is_written_down_is_short_and_stands_for_one_set() {
        let mut placed = Placed::new(320);
        let mut set = BTreeSet::new();
        let mut met: HashMap<Vec<u32>, BTreeSet<u32>> = HashMap::new();
        let mut words = Vec::new();
        let mut random = 7_u32;
        // Numbers within 40 of the least that is missing come and go, which moves on.
        for step in 0..20_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (step / 80 + (random >> 16) % 40).min(319);
            if step % 80 == 0 {
                placed.add(step / 80);
                set.insert(step / 80);
            } else if number > step / 80 && set.remove(&number) {
                placed.remove(number);
            } else {
                placed.add(number);
                set.insert(number);
            }
            placed.write_down(&mut words);
            assert!(words.len() <= 4, "{words:?}");
            assert_eq!(met.entry(words.clone()).or_insert_with(|| set.clone()), &set);
        }
        assert!(met.len() > 1_000, "{}", met.len());
    }
}
