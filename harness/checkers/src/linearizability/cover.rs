//! How many intervals cover each place of a line, with the questions that the monitors of containers ask: a segment tree.

/// A line of places, each covered a number of times.
pub(crate) struct Cover {
    leaves: usize,
    /// Per node, the least cover below it, without what `added` its ancestors carry.
    least: Vec<i32>,
    /// Per node, what is added to all below it. It is part of the node's own `least`.
    added: Vec<i32>,
}

impl Cover {
    /// A line of so many places, none of them covered.
    pub(crate) fn new(places: usize) -> Self {
        let leaves = places.next_power_of_two();
        Cover { leaves, least: vec![0; 2 * leaves], added: vec![0; 2 * leaves] }
    }

    /// Covers the places from `from` on and before `to` once more, or once less.
    pub(crate) fn add(&mut self, from: u32, to: u32, times: i32) {
        if from < to {
            self.add_below(1, 0, self.leaves, (from as usize, to as usize), times);
        }
    }

    fn add_below(&mut self, node: usize, begin: usize, end: usize, range: (usize, usize), times: i32) {
        if range.1 <= begin || end <= range.0 {
            return;
        }
        if range.0 <= begin && end <= range.1 {
            self.least[node] += times;
            self.added[node] += times;
            return;
        }
        let middle = begin.midpoint(end);
        self.add_below(2 * node, begin, middle, range, times);
        self.add_below(2 * node + 1, middle, end, range, times);
        self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]) + self.added[node];
    }

    /// The first place from `from` on and before `to` that nothing covers.
    pub(crate) fn bare(&self, from: u32, to: u32) -> Option<u32> {
        if from >= to {
            return None;
        }
        self.bare_below(1, 0, self.leaves, (from as usize, to as usize), 0).map(|place| place as u32)
    }

    fn bare_below(
        &self,
        node: usize,
        begin: usize,
        end: usize,
        range: (usize, usize),
        above: i32,
    ) -> Option<usize> {
        if range.1 <= begin || end <= range.0 || self.least[node] + above > 0 {
            return None;
        }
        if end - begin == 1 {
            return Some(begin);
        }
        let middle = begin.midpoint(end);
        let above = above + self.added[node];
        self.bare_below(2 * node, begin, middle, range, above)
            .or_else(|| self.bare_below(2 * node + 1, middle, end, range, above))
    }
}

/// The greatest of a row of numbers over any part of it.
pub(crate) struct Greatest {
    leaves: usize,
    greatest: Vec<i64>,
}

impl Greatest {
    /// Stands for nothing: less than any number that is asked for.
    pub(crate) const NONE: i64 = i64::MIN;

    /// A row of these numbers.
    pub(crate) fn new(numbers: impl ExactSizeIterator<Item = i64>) -> Self {
        let leaves = numbers.len().next_power_of_two();
        let mut greatest = vec![Self::NONE; 2 * leaves];
        for (place, number) in numbers.enumerate() {
            greatest[leaves + place] = number;
        }
        for node in (1..leaves).rev() {
            greatest[node] = greatest[2 * node].max(greatest[2 * node + 1]);
        }
        Greatest { leaves, greatest }
    }

    /// Changes one number.
    pub(crate) fn set(&mut self, place: usize, number: i64) {
        let mut node = self.leaves + place;
        self.greatest[node] = number;
        while node > 1 {
            node /= 2;
            self.greatest[node] = self.greatest[2 * node].max(self.greatest[2 * node + 1]);
        }
    }

    /// The place, from `from` on and before `to`, of the greatest number, and that number; `None` if there is nothing.
    pub(crate) fn of(&self, from: usize, to: usize) -> Option<(usize, i64)> {
        let (mut low, mut high) = (from + self.leaves, to + self.leaves);
        let mut best = 0;
        let mut number = Self::NONE;
        let mut look = |node: usize| {
            if self.greatest[node] > number {
                (best, number) = (node, self.greatest[node]);
            }
        };
        while low < high {
            if low % 2 == 1 {
                look(low);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                look(high);
            }
            (low, high) = (low / 2, high / 2);
        }
        if number == Self::NONE {
            return None;
        }
        while best < self.leaves {
            best = if self.greatest[2 * best] == number { 2 * best } else { 2 * best + 1 };
        }
        Some((best - self.leaves, number))
    }
}
