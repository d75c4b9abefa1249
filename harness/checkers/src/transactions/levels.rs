//! Consistency levels of transactions, which implies which, and which anomaly refutes which.

use std::{collections::BTreeSet, fmt};

/// A consistency level of transactions. There are no reads by predicate here, so that repeatable read (PL-2.99) is
/// serializability and stands under that name.
///
/// Sources: Adya's thesis (1999) for the PL levels by phenomena; Cerone, Bernardi and Gotsman (CONCUR 2015) and Cerone
/// and Gotsman (JACM 2018) for snapshot isolation and parallel snapshot isolation; Biswas and Enea (OOPSLA 2019) for read
/// atomic and causal; Bailis et al. (VLDB 2013) for monotonic atomic view; Daudjee and Salem (VLDB 2006) for strong
/// session and strong snapshot isolation; the lattice of Elle for how they hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Level {
    /// PL-1: writes of transactions are not interleaved. No G0.
    ReadUncommitted,
    /// PL-2: only what committed is read, and only final versions. No G1.
    ReadCommitted,
    /// Read committed, where the order of sessions counts too.
    StrongSessionReadCommitted,
    /// Read committed in real time.
    StrongReadCommitted,
    /// Once a transaction saw one write of another, it sees nothing older than its others. Sessions count. This is read
    /// committed as Biswas and Enea define it.
    MonotonicAtomicView,
    /// All of a transaction is seen or nothing. Sessions count.
    ReadAtomic,
    /// What happened before is seen. Sessions count.
    Causal,
    /// PL-2+: no G-single. Each transaction sees one state of the database, though not all agree on the order of states.
    ConsistentView,
    /// Causal, and of two concurrent transactions only one writes a key. Sessions count.
    ParallelSnapshotIsolation,
    /// Each transaction reads one snapshot, and no two that run at once write the same key.
    SnapshotIsolation,
    /// Snapshot isolation, where a snapshot holds what the session did before.
    StrongSessionSnapshotIsolation,
    /// Snapshot isolation, where a snapshot holds all that had committed before.
    StrongSnapshotIsolation,
    /// PL-3: as if one after another, in some order.
    Serializable,
    /// As if one after another, in an order that keeps that of each session.
    StrongSessionSerializable,
    /// As if one after another, in an order that keeps real time.
    StrictSerializable,
}

use Level::*;

impl Level {
    /// All levels; each comes after those that it implies.
    pub const ALL: [Level; 15] = [
        ReadUncommitted,
        ReadCommitted,
        StrongSessionReadCommitted,
        StrongReadCommitted,
        MonotonicAtomicView,
        ReadAtomic,
        Causal,
        ConsistentView,
        ParallelSnapshotIsolation,
        SnapshotIsolation,
        StrongSessionSnapshotIsolation,
        StrongSnapshotIsolation,
        Serializable,
        StrongSessionSerializable,
        StrictSerializable,
    ];

    /// The levels that this one implies at once; what these imply follows.
    fn next_weaker(self) -> &'static [Level] {
        match self {
            ReadUncommitted => &[],
            ReadCommitted => &[ReadUncommitted],
            StrongSessionReadCommitted => &[ReadCommitted],
            StrongReadCommitted => &[StrongSessionReadCommitted],
            MonotonicAtomicView => &[StrongSessionReadCommitted],
            ReadAtomic => &[MonotonicAtomicView],
            Causal => &[ReadAtomic],
            ConsistentView => &[ReadCommitted],
            ParallelSnapshotIsolation => &[Causal, ConsistentView],
            SnapshotIsolation => &[ConsistentView],
            StrongSessionSnapshotIsolation => &[SnapshotIsolation, ParallelSnapshotIsolation],
            StrongSnapshotIsolation => &[StrongSessionSnapshotIsolation, StrongReadCommitted],
            Serializable => &[SnapshotIsolation],
            StrongSessionSerializable => &[Serializable, StrongSessionSnapshotIsolation],
            StrictSerializable => &[StrongSessionSerializable, StrongSnapshotIsolation],
        }
    }

    /// Whether every history of this level is one of the other, itself included.
    ///
    /// ```
    /// use squall_checkers::transactions::Level;
    ///
    /// assert!(Level::Serializable.implies(Level::SnapshotIsolation));
    /// assert!(!Level::Serializable.implies(Level::Causal));   // sessions need not be kept
    /// assert!(Level::StrongSessionSerializable.implies(Level::Causal));
    /// ```
    pub fn implies(self, other: Level) -> bool {
        self == other || self.next_weaker().iter().any(|weaker| weaker.implies(other))
    }

    /// Whether it speaks of real time.
    pub(crate) fn is_of_time(self) -> bool {
        matches!(self, StrongReadCommitted | StrongSnapshotIsolation | StrictSerializable)
    }

    /// The level as people write it: `snapshot-isolation`.
    pub fn name(self) -> &'static str {
        match self {
            ReadUncommitted => "read-uncommitted",
            ReadCommitted => "read-committed",
            StrongSessionReadCommitted => "strong-session-read-committed",
            StrongReadCommitted => "strong-read-committed",
            MonotonicAtomicView => "monotonic-atomic-view",
            ReadAtomic => "read-atomic",
            Causal => "causal",
            ConsistentView => "consistent-view",
            ParallelSnapshotIsolation => "parallel-snapshot-isolation",
            SnapshotIsolation => "snapshot-isolation",
            StrongSessionSnapshotIsolation => "strong-session-snapshot-isolation",
            StrongSnapshotIsolation => "strong-snapshot-isolation",
            Serializable => "serializable",
            StrongSessionSerializable => "strong-session-serializable",
            StrictSerializable => "strict-serializable",
        }
    }

    /// The level of a name, if there is one.
    pub fn of(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Of some levels, those that no other of them implies.
pub(crate) fn strongest(levels: &BTreeSet<Level>) -> Vec<Level> {
    let implied = |level: Level| levels.iter().any(|&other| other != level && other.implies(level));
    levels.iter().copied().filter(|&level| !implied(level)).collect()
}

macro_rules! anomalies {
    ($($(#[$doc:meta])* $name:ident = $text:literal refutes $($level:ident)|+;)*) => {
        /// What can be wrong with a history, named as Adya and Elle do.
        ///
        /// `-process` means that the cycle goes through the order of a session, `-realtime` through real time. Where
        /// neither is in the name, the versions alone contradict each other.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub enum AnomalyKind {
            $($(#[$doc])* #[cfg_attr(feature = "serde", serde(rename = $text))] $name,)*
        }

        impl AnomalyKind {
            /// All of them.
            pub const ALL: &[AnomalyKind] = &[$(AnomalyKind::$name),*];

            /// The name as Elle writes it.
            pub fn name(self) -> &'static str {
                match self {
                    $(AnomalyKind::$name => $text,)*
                }
            }

            /// The weakest levels that forbid it. What implies one of these forbids it too.
            pub fn refutes(self) -> &'static [Level] {
                match self {
                    $(AnomalyKind::$name => &[$($level),+],)*
                }
            }
        }
    };
}

anomalies! {
    /// Write cycle: transactions overwrote each other.
    G0 = "G0" refutes ReadUncommitted;
    /// A write cycle with the order of a session.
    G0Process = "G0-process" refutes StrongSessionReadCommitted;
    /// A write cycle with real time.
    G0Realtime = "G0-realtime" refutes StrongReadCommitted;
    /// Aborted read: a write of an aborted transaction was seen.
    G1a = "G1a" refutes ReadCommitted;
    /// Intermediate read: a version was seen that its writer went on to replace.
    G1b = "G1b" refutes ReadCommitted;
    /// Circular information flow: each depends on what the other wrote.
    G1c = "G1c" refutes ReadCommitted;
    /// Circular information flow with the order of a session.
    G1cProcess = "G1c-process" refutes StrongSessionReadCommitted;
    /// Circular information flow with real time.
    G1cRealtime = "G1c-realtime" refutes StrongReadCommitted;
    /// Read skew: a cycle with one anti-dependency.
    GSingle = "G-single" refutes ConsistentView;
    /// Read skew with the order of a session.
    GSingleProcess = "G-single-process" refutes ParallelSnapshotIsolation;
    /// Read skew with real time: a stale read.
    GSingleRealtime = "G-single-realtime" refutes StrongSnapshotIsolation;
    /// A cycle with several anti-dependencies, no two in a row.
    GNonadjacent = "G-nonadjacent" refutes SnapshotIsolation;
    /// The same with the order of a session.
    GNonadjacentProcess = "G-nonadjacent-process" refutes StrongSessionSnapshotIsolation;
    /// The same with real time.
    GNonadjacentRealtime = "G-nonadjacent-realtime" refutes StrongSnapshotIsolation;
    /// Write skew and its like: a cycle with two anti-dependencies in a row.
    G2Item = "G2-item" refutes Serializable;
    /// The same with the order of a session.
    G2ItemProcess = "G2-item-process" refutes StrongSessionSerializable;
    /// The same with real time.
    G2ItemRealtime = "G2-item-realtime" refutes StrictSerializable;
    /// Two transactions replaced the same version of a key, which both had read.
    LostUpdate = "lost-update" refutes ConsistentView | ParallelSnapshotIsolation;
    /// A transaction read what contradicts its own earlier reads or writes.
    Internal = "internal" refutes ReadAtomic | SnapshotIsolation;
    /// A transaction read what it wrote only later.
    FutureRead = "future-read" refutes ReadCommitted;
    /// A read saw what nobody wrote.
    GarbageRead = "garbage-read" refutes ReadUncommitted;
    /// A list holds one element twice.
    DuplicateElements = "duplicate-elements" refutes ReadUncommitted;
    /// A list holds some appends of a transaction and goes on without its others.
    SkippedAppend = "skipped-append" refutes ReadCommitted;
    /// Two reads of a list of which neither is the beginning of the other.
    IncompatibleOrder = "incompatible-order" refutes ReadCommitted;
    /// A committed append stands on an aborted one.
    DirtyUpdate = "dirty-update" refutes ReadCommitted;
    /// A key that is taken for sequential or linearizable was nil again after a write.
    CyclicVersions = "cyclic-versions" refutes ReadUncommitted;
    /// A transaction saw one write of another and then something older than its other writes.
    NonAtomicView = "non-atomic-view" refutes MonotonicAtomicView;
    /// A transaction saw a part of another, or missed what its session wrote.
    FracturedRead = "fractured-read" refutes ReadAtomic;
    /// A transaction missed what happened before something that it saw.
    CausalityViolation = "causality-violation" refutes Causal;
    /// A session missed what it had written itself.
    NotReadYourWrites = "not-read-your-writes" refutes ReadAtomic;
    /// A session went back to something older than it had read.
    NonMonotonicReads = "non-monotonic-reads" refutes Causal;
    /// A session's writes were seen in another order than theirs.
    NonMonotonicWrites = "non-monotonic-writes" refutes Causal;
    /// A write was seen without what its session had read before it.
    WriteWithoutItsReads = "write-without-its-reads" refutes Causal;
    /// The writes of each session are not seen in their order.
    NotPram = "not-PRAM" refutes Causal;
    /// No order of the transactions explains all reads, which an exhaustive search showed; there is no one cycle.
    NoOrder = "no-order" refutes StrictSerializable;
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_comes_in_the_order_of_implication() {
        for (i, a) in Level::ALL.into_iter().enumerate() {
            for b in &Level::ALL[i + 1..] {
                assert!(!a.implies(*b), "{a} implies {b}");
            }
            assert!(StrictSerializable.implies(a), "{a}");
            assert_eq!(Level::of(a.name()), Some(a));
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn names_are_those_of_the_data() {
        for level in Level::ALL {
            assert_eq!(serde_json::to_value(level).unwrap(), level.name());
        }
    }
}
