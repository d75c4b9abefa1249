//! Snapshots of versions: of any two, one is as new as the other in every key.

use std::{cmp::Ordering, collections::BTreeMap, fmt};

/// Watches reads of several keys at once, whose versions are whole numbers that rise, 0 for a key that is not there. A key that a
/// read does not show counts as 0.
///
/// Two reads of which each is ahead of the other saw two writes in opposite orders (a long fork: Sovran et al., "Transactional
/// storage for geo-replicated systems", SOSP 2011). Where none do, all reads form a chain, so that a new one is compared with its two
/// neighbours only: O(k log n) for k keys. Nothing is said of when a read was made: an old snapshot is no fork.
///
/// ```
/// use squall_checkers::specific::LongFork;
///
/// let mut snapshots = LongFork::new();
/// assert!(snapshots.read(0, [("x", 1), ("y", 0)]).is_ok());
/// assert!(snapshots.read(1, [("x", 1), ("y", 1)]).is_ok());
/// let fork = snapshots.read(2, [("x", 0), ("y", 1)]).unwrap_err();
/// assert_eq!(fork.to_string(), r#"read 2 saw "y" at 1 and "x" at 0, and read 0 saw "x" at 1 and "y" at 0"#);
/// ```
#[derive(Clone, Debug)]
pub struct LongFork<K> {
    /// By the sum of its versions: a snapshot, and the first read that saw it. Each is as new as the ones before it in every key.
    chain: BTreeMap<i128, (BTreeMap<K, i64>, u64)>,
}

/// Two reads of which each is ahead of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Forked<K> {
    /// The later told of the two.
    pub read: u64,
    /// The other one.
    pub other: u64,
    /// A key in which the first is ahead: what the first saw, and what the other did.
    pub ahead: (K, i64, i64),
    /// A key in which the first is behind: what the first saw, and what the other did.
    pub behind: (K, i64, i64),
}

impl<K: fmt::Debug> fmt::Display for Forked<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Forked { read, other, ahead: (x, x_here, x_there), behind: (y, y_here, y_there) } = self;
        write!(
            f,
            "read {read} saw {x:?} at {x_here} and {y:?} at {y_here}, and read {other} saw {y:?} at {y_there} and {x:?} at {x_there}"
        )
    }
}

impl<K> Default for LongFork<K> {
    fn default() -> Self {
        LongFork { chain: BTreeMap::new() }
    }
}

impl<K: Clone + Ord> LongFork<K> {
    /// Nothing was read.
    pub fn new() -> Self {
        Self::default()
    }

    /// A read, by a number of the caller's, returned these versions.
    ///
    /// # Errors
    /// It forks off from an earlier one. It is then not kept.
    pub fn read(&mut self, read: u64, versions: impl IntoIterator<Item = (K, i64)>) -> Result<(), Forked<K>> {
        let seen: BTreeMap<K, i64> = versions.into_iter().filter(|(_, version)| *version != 0).collect();
        let sum = seen.values().map(|version| i128::from(*version)).sum();
        let before = self.chain.range(..=sum).next_back();
        let after = self.chain.range(sum..).next();
        for (_, (other, of)) in before.into_iter().chain(after) {
            if let Some((ahead, behind)) = crossing(&seen, other) {
                return Err(Forked { read, other: *of, ahead, behind });
            }
        }
        self.chain.entry(sum).or_insert((seen, read));
        Ok(())
    }
}

/// A key in which two snapshots differ: what the one shows, and what the other does.
type Difference<K> = (K, i64, i64);

/// A key in which the first is ahead of the second, and one in which it is behind, if there are both.
fn crossing<K: Clone + Ord>(
    one: &BTreeMap<K, i64>,
    other: &BTreeMap<K, i64>,
) -> Option<(Difference<K>, Difference<K>)> {
    let of = |snapshot: &BTreeMap<K, i64>, key: &K| snapshot.get(key).copied().unwrap_or(0);
    let (mut ahead, mut behind) = (None, None);
    for key in one.keys().chain(other.keys()) {
        let (here, there) = (of(one, key), of(other, key));
        match here.cmp(&there) {
            Ordering::Greater => ahead = ahead.or(Some((key.clone(), here, there))),
            Ordering::Less => behind = behind.or(Some((key.clone(), here, there))),
            Ordering::Equal => {}
        }
    }
    ahead.zip(behind)
}
