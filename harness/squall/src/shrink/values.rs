//! The plan as a proptest value, which proptest makes simpler: the arguments of operations by the system's own strategies, the numbers
//! of faults and the times of operations by bisection.
//!
//! Its value is the pinned spec. One part of it is made simpler at a time, as far as it goes on failing the same way, then the next.
//! Numbers are sought among the round ones: `300ms` rather than `297.4ms`.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use proptest::{
    num::u64::BinarySearch,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use super::{Shrinker, operations, operations_mut};
use crate::{
    fault::{Fault, Range},
    inquiry::Trouble,
    plan::{Drawn, RunId},
    spec::{
        Spec,
        model::{Dur, DurationRange},
    },
};

/// How many candidates this may try at most, each time.
const RUNS: u32 = 80;
/// The most operations whose times are looked at one by one.
const MOST_TIMES: usize = 4;
/// Up to which count every number is tried, and not only the round ones.
const FEW: u64 = 100;
/// The power of ten of what times are counted in, as nanoseconds: milliseconds.
const MILLISECOND: u32 = 6;

/// A pinned spec of which parts can be made simpler.
#[derive(Debug)]
struct Simpler {
    spec: Spec,
    parts: Vec<Part>,
    /// Which one is being made simpler.
    at: usize,
    /// Whether that one's last step can be taken back.
    stepped: bool,
    /// How many more steps may be tried.
    left: u32,
}

/// Something in a plan that can be made simpler.
enum Part {
    /// The arguments of an operation, by its position.
    Arguments(usize, Box<dyn ValueTree<Value = serde_json::Value>>),
    /// When an operation is asked for.
    Time(usize, Number),
    /// A number of a fault: the fault's position, and the number's among those of the fault.
    OfFault(usize, usize, Number),
}

/// A number, among those that it may become.
#[derive(Debug)]
struct Number {
    steps: Vec<u64>,
    at: BinarySearch,
}

impl Number {
    /// None if it is as small as it may become.
    fn new(steps: Vec<u64>) -> Option<Number> {
        let last = steps.len().checked_sub(1).filter(|last| *last > 0)?;
        Some(Number { steps, at: BinarySearch::new(last as u64) })
    }

    fn current(&self) -> u64 {
        self.steps[self.at.current() as usize]
    }
}

/// The numbers from `least` to `size` that have one digit that is not zero, none below ten to the `power` but `least`, and `size` itself. Evenly spread by
/// their logarithm; the same for every number that is one of them, so that a number that cannot become smaller need not be tried twice.
fn round_numbers(least: u64, size: u64, power: u32) -> Vec<u64> {
    if size <= least {
        return vec![size];
    }
    let tens = std::iter::successors(10_u64.checked_pow(power), |ten| ten.checked_mul(10));
    let digits = tens.flat_map(|ten| (1..10).filter_map(move |digit| ten.checked_mul(digit)));
    let between = digits.skip_while(|number| *number <= least).take_while(|number| *number < size);
    std::iter::once(least).chain(between).chain([size]).collect()
}

/// The fault's numbers, what it waits for first, each with the least that it may become.
fn numbers(fault: &mut Fault, each: &mut dyn FnMut(u64, Range<'_>)) {
    let millisecond = 10_u64.pow(MILLISECOND);
    if let Some(when) = &mut fault.when {
        if let Some(nth) = &mut when.value.nth {
            each(1, Range::Count(nth));
        }
        if let Some(after) = &mut when.value.after {
            each(0, Range::Duration(after));
        }
    }
    if let Some(lasts) = &mut fault.lasts {
        each(millisecond, Range::Duration(&mut lasts.value));
    }
    // Nothing at all would make no fault.
    fault.ranges(&mut |range| {
        let least = match range {
            Range::Duration(_) | Range::Offset(_) => millisecond,
            Range::Count(_) | Range::Drift(_) => 1,
        };
        each(least, range);
    });
    if let Some(at) = &mut fault.at {
        each(0, Range::Duration(&mut at.value));
    }
}

/// What a number of a fault may become.
fn steps(least: u64, range: &Range<'_>) -> Vec<u64> {
    let size = range.size();
    match range {
        Range::Count(_) if size <= FEW => (least.min(size)..=size).collect(),
        Range::Count(_) | Range::Drift(_) => round_numbers(least, size, 0),
        Range::Duration(_) | Range::Offset(_) => round_numbers(least, size, MILLISECOND),
    }
}

impl Part {
    /// What of the spec can be made simpler: what faults wait for, what operations are, and then how long and when.
    fn all(spec: &Spec, drawn: Vec<Drawn>) -> Vec<Part> {
        let mut of_faults = Vec::new();
        for (position, fault) in spec.faults.iter().enumerate() {
            let mut nth = 0;
            numbers(&mut fault.clone(), &mut |least, range| {
                let part =
                    Number::new(steps(least, &range)).map(|number| Part::OfFault(position, nth, number));
                of_faults.extend(part.map(|part| (matches!(range, Range::Count(_)), part)));
                nth += 1;
            });
        }
        let (counts, others): (Vec<_>, Vec<_>) = of_faults.into_iter().partition(|(count, _)| *count);
        let mut drawn: Vec<Option<Drawn>> = drawn.into_iter().map(Some).collect();
        // One that is none's is left as it is.
        let arguments = operations(spec).iter().enumerate().filter_map(|(position, operation)| {
            let same =
                |drawn: &Drawn| drawn.client == operation.client && drawn.tree.current() == operation.op;
            let found = drawn.iter_mut().find(|drawn| drawn.as_ref().is_some_and(same))?;
            found.take().map(|drawn| Part::Arguments(position, drawn.tree))
        });
        let few = if operations(spec).len() <= MOST_TIMES { operations(spec) } else { &[] };
        let times = few.iter().enumerate().filter_map(|(position, operation)| {
            let mut at = DurationRange::exactly(operation.at.0);
            Number::new(steps(0, &Range::Duration(&mut at))).map(|number| Part::Time(position, number))
        });
        let of_fault = |(_, part)| part;
        counts
            .into_iter()
            .map(of_fault)
            .chain(arguments)
            .chain(others.into_iter().map(of_fault))
            .chain(times)
            .collect()
    }

    fn put(&self, spec: &mut Spec) {
        match self {
            Part::Arguments(position, tree) => {
                if let Some(operation) = operations_mut(spec).get_mut(*position) {
                    operation.op = tree.current();
                }
            }
            Part::Time(position, number) => {
                if let Some(operation) = operations_mut(spec).get_mut(*position) {
                    operation.at = Dur(Duration::from_nanos(number.current()));
                }
            }
            Part::OfFault(position, nth, number) => {
                let mut left = *nth as isize;
                numbers(&mut spec.faults[*position], &mut |_, range| {
                    if left == 0 {
                        range.resize(number.current());
                    }
                    left -= 1;
                });
            }
        }
    }

    /// A step that does not show is no step.
    fn simplify(&mut self) -> bool {
        match self {
            Part::Arguments(_, tree) => {
                let before = tree.current();
                while tree.simplify() {
                    if tree.current() != before {
                        return true;
                    }
                }
                false
            }
            Part::Time(_, number) | Part::OfFault(_, _, number) => number.at.simplify(),
        }
    }

    fn complicate(&mut self) -> bool {
        match self {
            Part::Arguments(_, tree) => tree.complicate(),
            Part::Time(_, number) | Part::OfFault(_, _, number) => number.at.complicate(),
        }
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::Arguments(position, tree) => write!(f, "operation {position}: {}", tree.current()),
            Part::Time(position, number) => write!(f, "operation {position} at {}", number.current()),
            Part::OfFault(position, nth, number) => {
                write!(f, "number {nth} of fault {position}: {}", number.current())
            }
        }
    }
}

/// As proptest has it: `simplify` goes a step, `complicate` goes half of one back, and both say whether there is anything left to try.
impl ValueTree for Simpler {
    type Value = Spec;

    fn current(&self) -> Spec {
        let mut spec = self.spec.clone();
        for part in &self.parts {
            part.put(&mut spec);
        }
        spec
    }

    fn simplify(&mut self) -> bool {
        self.stepped = false;
        while let Some(part) = self.parts.get_mut(self.at).filter(|_| self.left > 0) {
            if part.simplify() {
                self.stepped = true;
                self.left -= 1;
                return true;
            }
            self.at += 1;
        }
        false
    }

    fn complicate(&mut self) -> bool {
        if !std::mem::take(&mut self.stepped) {
            return false;
        }
        let Some(part) = self.parts.get_mut(self.at) else { return false };
        if part.complicate() {
            // Even if no more may be tried: what it is now is not known to fail.
            self.stepped = true;
            self.left = self.left.saturating_sub(1);
            return true;
        }
        // It cannot be made simpler after that: on to the next.
        self.at += 1;
        self.simplify()
    }
}

/// Makes the parts of what is left simpler. Says how many steps were tried if that was not enough.
pub(super) fn simplify(
    shrinker: &mut Shrinker<'_>,
    spec: &mut Spec,
    original: &Spec,
    run: &RunId,
) -> Option<u64> {
    let budget = shrinker.limits.runs.saturating_sub(shrinker.runs).min(RUNS.into()) as u32;
    let (drawn, trouble) = match shrinker.inquiry.values(original, run) {
        Ok(values) => (values.drawn, values.trouble),
        // The rest can be made simpler all the same.
        Err(why) => (Vec::new(), Trouble::known(why)),
    };
    let parts = Part::all(spec, drawn);
    let tree = Simpler { spec: spec.clone(), parts, at: 0, stepped: false, left: budget };
    let config = Config {
        failure_persistence: None,
        // The budget is the value's own, which ends without a word where proptest would print one.
        max_shrink_iters: u32::MAX,
        max_shrink_time: 0,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[0; 32]);
    let steps = Cell::new(0);
    let trying = RefCell::new(&mut *shrinker);
    // What it begins with is known to fail.
    let outcome = TestRunner::new_with_rng(config, rng).run_one(tree, |candidate| {
        steps.set(steps.get() + 1);
        match trying.borrow_mut().fails(&candidate) {
            true => Err(TestCaseError::fail("the same way")),
            false => Ok(()),
        }
    });
    if let Some(why) = trouble.told() {
        shrinker.hindered.get_or_insert(why);
    }
    if let Err(TestError::Fail(_, simpler)) = outcome {
        shrinker.accept(spec, simpler);
    }
    (steps.get() > u64::from(budget)).then_some(budget.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers_are_the_same_for_each_of_them() {
        let all = round_numbers(1_000_000, 3_217_000_000, MILLISECOND);
        assert_eq!(all[..3], [1_000_000, 2_000_000, 3_000_000]);
        assert_eq!(all[all.len() - 3..], [2_000_000_000, 3_000_000_000, 3_217_000_000]);
        for (i, number) in all.iter().enumerate().skip(1) {
            assert_eq!(round_numbers(1_000_000, *number, MILLISECOND), all[..=i]);
        }
        assert_eq!(round_numbers(0, 500, MILLISECOND), [0, 500]);
        assert_eq!(round_numbers(7, 7, 0), [7]);
        assert_eq!(round_numbers(9, 7, 0), [7]);
        assert_eq!(round_numbers(0, u64::MAX, 19).last(), Some(&u64::MAX));
    }
}
