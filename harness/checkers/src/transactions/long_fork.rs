//! Long fork: two readers saw two writes in opposite orders. The cheap check of it.

use std::collections::BTreeMap;

use super::history::{History, Key, Operation, Status, Txn};
use crate::verdict::{Budget, Exhausted, Meter, Verdict};

/// Two readers of the same keys, of which each saw a write that the other did not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LongFork {
    /// A reader.
    pub first: Txn,
    /// Another one.
    pub second: Txn,
    /// The key that the first saw written and the second did not.
    pub only_first: String,
    /// The key that the second saw written and the first did not.
    pub only_second: String,
    /// That in a sentence.
    pub about: String,
}

/// Looks for long forks among committed transactions that read registers which are written at most once, as Jepsen's
/// workload of that name makes them. Snapshot isolation forbids them, parallel snapshot isolation allows them.
///
/// Readers of the same keys are compared with each other, others not. Among those the sets of keys that were seen written
/// must grow: sorted by size, each must hold the one before. O(n log n). Keys that are written more than once, and
/// transactions that write, are left to [`analyze`](super::analyze).
///
/// ```
/// use squall_checkers::{Budget, transactions::{History, long_fork}};
///
/// let mut history = History::builder();
/// let (x, y) = (history.key("x"), history.key("y"));
/// history.begin(0).write(x, 1).commit(None);
/// history.begin(1).write(y, 1).commit(None);
/// history.begin(2).read(x, Some(1)).read(y, None).commit(None);
/// history.begin(3).read(y, Some(1)).read(x, None).commit(None);
/// let verdict = long_fork(&history.build()?, Budget::default());
/// assert_eq!(verdict.explanation().unwrap().about, "T2 saw x written and y not, T3 saw y written and x not");
/// # Ok::<(), squall_checkers::transactions::HistoryError>(())
/// ```
pub fn long_fork(history: &History, budget: Budget) -> Verdict<LongFork> {
    search(history, &mut Meter::new(budget)).unwrap_or_else(|reason| Verdict::Unknown { reason })
}

fn search(history: &History, meter: &mut Meter) -> Result<Verdict<LongFork>, Exhausted> {
    let mut written = vec![0u8; history.keys()];
    for operation in history.transactions().flat_map(|txn| history.operations(txn)) {
        if let Operation::Write(key, _) = operation {
            written[key.0 as usize] = written[key.0 as usize].saturating_add(1);
        }
    }
    // By the keys that were read: who read them, and which of them were written then.
    let mut groups: BTreeMap<Vec<Key>, Vec<(Vec<Key>, Txn)>> = BTreeMap::new();
    for txn in history.transactions().filter(|&txn| history.status(txn) == Status::Committed) {
        let mut reads = BTreeMap::new();
        let mut writes = false;
        for operation in history.operations(txn) {
            match operation {
                Operation::Read(key, value) if written[key.0 as usize] <= 1 => {
                    reads.entry(key).or_insert(value.is_some());
                }
                Operation::Write(..) => writes = true,
                _ => {}
            }
        }
        meter.spend(reads.len() as u64)?;
        if !writes && reads.len() > 1 {
            let seen = reads.iter().filter(|(_, seen)| **seen).map(|(&key, _)| key).collect();
            groups.entry(reads.into_keys().collect()).or_default().push((seen, txn));
        }
    }
    for readers in groups.values_mut() {
        readers.sort_by_key(|(seen, txn)| (seen.len(), *txn));
        for pair in readers.windows(2) {
            let [(less, first), (more, second)] = pair else { continue };
            meter.spend(less.len() as u64)?;
            if let Some(&x) = less.iter().find(|key| more.binary_search(key).is_err())
                && let Some(&y) = more.iter().find(|key| less.binary_search(key).is_err())
            {
                let (x, y) = (history.key(x).to_owned(), history.key(y).to_owned());
                let about =
                    format!("{first} saw {x} written and {y} not, {second} saw {y} written and {x} not");
                return Ok(Verdict::Illegal(LongFork {
                    first: *first,
                    second: *second,
                    only_first: x,
                    only_second: y,
                    about,
                }));
            }
        }
    }
    Ok(Verdict::Legal { by: "growing sets of keys" })
}
