//! Cheap checkers of one property each. They watch a system event by event and tell what is wrong at once; what only the
//! end can tell comes from `finish`.
//!
//! | checker | finds |
//! |---|---|
//! | [`UniqueIds`] | an id that was given twice |
//! | [`TotalQueue`] | what was put in and never came out, came out twice, or was never put in |
//! | [`GrowingSet`] | an element that a read lost, does not show yet, or made up; elements that nobody read for |
//! | [`CounterBounds`] | a read below what is surely counted or above what can be |
//! | [`Bank`] | money that appeared or disappeared |
//! | [`MutualExclusion`] | two holders, a fencing token that did not grow, a holder of old that is still listened to |
//! | [`LongFork`] | two reads that saw two writes in opposite orders |
//! | [`Convergence`] | replicas that do not agree in the end |
//!
//! The first three and the counter go back to the checkers of Jepsen (`unique-ids`, `total-queue`, `set-full`, `counter`).
//! Each event costs O(1) or O(log n) unless its checker says otherwise.

mod bank;
mod convergence;
mod counter_bounds;
mod growing_set;
mod long_fork;
mod mutual_exclusion;
mod total_queue;
mod unique_ids;

pub use self::{
    bank::{Bank, BankFinding},
    convergence::{Convergence, Diverged},
    counter_bounds::{Addition, CounterBounds, OutOfBounds, Reading},
    growing_set::{GrowingSet, GrowingSetReport, SetFinding},
    long_fork::{Forked, LongFork},
    mutual_exclusion::{MutualExclusion, MutualExclusionFinding},
    total_queue::{QueueFinding, TotalQueue, TotalQueueReport},
    unique_ids::{Duplicate, UniqueIds},
};
