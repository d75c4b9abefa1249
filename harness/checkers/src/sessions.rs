//! Session guarantees and weak consistency levels: what of the past each session is sure to see.
//!
//! [`check`] judges one [`Guarantee`] on a [`History`] of transactions; single operations are transactions of one
//! operation.
//!
//! ```
//! use squall_checkers::{Budget, Verdict, sessions::{self, Guarantee}, transactions::History};
//!
//! // A comment is seen without the post that it answers.
//! let mut history = History::builder();
//! let (post, comment) = (history.key("post"), history.key("comment"));
//! history.begin(0).write(post, 1).commit(None);
//! history.begin(1).read(post, Some(1)).commit(None);
//! history.begin(1).write(comment, 1).commit(None);
//! history.begin(2).read(comment, Some(1)).commit(None);
//! history.begin(2).read(post, None).commit(None);
//! let history = history.build()?;
//!
//! assert!(sessions::check(&history, Guarantee::Pram, Budget::default()).is_legal());
//! let Verdict::Illegal(anomalies) = sessions::check(&history, Guarantee::Causal, Budget::default()) else {
//!     panic!("it is not causal");
//! };
//! let why: Vec<&str> = anomalies[0].cycle.iter().map(|edge| &*edge.why).collect();
//! assert_eq!(why, [
//!     "T1 read post = 1, which T0 wrote",
//!     "T1 came before T2 in session 1",
//!     "T3 read comment = 1, which T2 wrote",
//!     "T3 came before T4 in session 2",
//!     "T4 read post = nil and did not see T0's write of 1",
//! ]);
//! # Ok::<(), squall_checkers::transactions::HistoryError>(())
//! ```
//!
//! # What is judged
//!
//! A guarantee says which transactions are *visible* to another, `t3`. If `t2` is visible to `t3` and writes `x`, and `t3` read
//! `x` from `t1`, then `t2` was overwritten by `t1`. A guarantee holds if there is an order of the transactions that
//! keeps all this, session order, and reads after the writes that they saw (Biswas and Enea, OOPSLA 2019, for the weak
//! levels; the same form is used here for the guarantees of Terry et al., PDIS 1994). So session order counts as the
//! order of a session's versions for every guarantee: one that is refuted may be refuted only together with that.
//! Reads of what nobody wrote, what was aborted, or what its writer replaced itself break each guarantee, as does a
//! transaction that does not see its own writes.
//!
//! For lists, the order that reads show counts too.

use std::fmt;

use crate::{
    transactions::{self, Anomaly, AnomalyKind, Direct, History},
    verdict::{Budget, Meter, Verdict},
};

/// What a session is sure to see. k is the number of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Guarantee {
    /// What it wrote before. O(n).
    ReadYourWrites,
    /// Nothing older than it read before. O(n).
    MonotonicReads,
    /// Of each session it has seen something of, what that session wrote before. O(n log n).
    MonotonicWrites,
    /// With each write, what its session had read before. O(n log n), more where reads go back.
    WritesFollowReads,
    /// The writes of each session in their order, its own included: pipelined RAM. Implies the three first ones. O(nk).
    Pram,
    /// Within a transaction nothing older than what it saw already. O(n^1.5 log n).
    ReadCommitted,
    /// All of a transaction or nothing, and what the session wrote before. O(n^1.5 log n).
    ReadAtomic,
    /// All that led to what it saw. Implies all others. O(nk).
    Causal,
}

impl Guarantee {
    /// All of them.
    pub const ALL: [Guarantee; 8] = [
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
        Guarantee::Pram,
        Guarantee::ReadCommitted,
        Guarantee::ReadAtomic,
        Guarantee::Causal,
    ];

    /// Its name: `read-your-writes`.
    pub fn name(self) -> &'static str {
        match self {
            Guarantee::ReadYourWrites => "read-your-writes",
            Guarantee::MonotonicReads => "monotonic-reads",
            Guarantee::MonotonicWrites => "monotonic-writes",
            Guarantee::WritesFollowReads => "writes-follow-reads",
            Guarantee::Pram => "pram",
            Guarantee::ReadCommitted => "read-committed",
            Guarantee::ReadAtomic => "read-atomic",
            Guarantee::Causal => "causal",
        }
    }

    fn breach(self) -> AnomalyKind {
        match self {
            Guarantee::ReadYourWrites => AnomalyKind::NotReadYourWrites,
            Guarantee::MonotonicReads => AnomalyKind::NonMonotonicReads,
            Guarantee::MonotonicWrites => AnomalyKind::NonMonotonicWrites,
            Guarantee::WritesFollowReads => AnomalyKind::WriteWithoutItsReads,
            Guarantee::Pram => AnomalyKind::NotPram,
            Guarantee::ReadCommitted => AnomalyKind::NonAtomicView,
            Guarantee::ReadAtomic => AnomalyKind::FracturedRead,
            Guarantee::Causal => AnomalyKind::CausalityViolation,
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Whether a history keeps a guarantee; if not, what breaks it.
pub fn check(history: &History, guarantee: Guarantee, budget: Budget) -> Verdict<Vec<Anomaly>> {
    let (facts, graph) = transactions::facts_and_graph(history);
    let wrong = |direct: &&Direct| match direct {
        Direct::Internal { own, .. } => *own,
        Direct::LostUpdate { .. } | Direct::DirtyUpdate { .. } | Direct::Reset { .. } => false,
        _ => true,
    };
    let direct: Vec<Anomaly> = facts
        .direct
        .iter()
        .filter(wrong)
        .map(|&direct| transactions::explain_direct(history, &facts, direct))
        .collect();
    if !direct.is_empty() {
        return Verdict::Illegal(direct);
    }
    match transactions::broken(
        history,
        &facts,
        &graph,
        guarantee,
        guarantee.breach(),
        &mut Meter::new(budget),
    ) {
        Ok(None) => Verdict::Legal { by: "commit order of the axiom" },
        Ok(Some(anomaly)) => Verdict::Illegal(vec![anomaly]),
        Err(reason) => Verdict::Unknown { reason },
    }
}
