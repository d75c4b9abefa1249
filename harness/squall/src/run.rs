//! One run: a spec and the run's name go in, a report comes out.

// Uses: check, cluster, confine, fault, history, log, plan, record, run_id, spec, system, trace.

mod engine;
mod execute;
mod headline;
mod idle;
mod states;
mod trigger;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub(crate) use self::execute::{Ended, apart, execute_followed, try_explain, with_drawn_operations};
pub use self::{
    execute::{execute, explain},
    idle::Idle,
};
use crate::{
    check::Violation,
    history::Record,
    log::{Level, Log},
    plan::RunId,
    trace::Traced,
};
pub use crate::{confine::Backtrace, history::Digest};

/// How to execute a run. None of it changes what happens in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecuteOptions {
    /// Whether the report of a run that passed carries its history too.
    pub keep_history: bool,
    /// Whether the report carries a [trace](crate::trace).
    pub trace: bool,
    /// Whether a worker sends each record and line of the log as soon as it is there, so that the history of a run that kills it is not lost
    /// with it. Then the log has what was printed, too.
    pub follow: bool,
    /// Up to which level the report carries what the service [logged](crate::log).
    pub log: Level,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every invariant held.
    Passed,
    /// One did not.
    Violated(Violation),
    /// Code under test panicked.
    Panicked {
        /// The panic's message.
        message: String,
        /// `file:line:column`, relative to the workspace where it can be.
        location: String,
        /// The node whose task it was, or the part of the system: "the invariant `x`".
        node: String,
        /// When.
        at: Duration,
    },
    /// The run did not end within the wall-clock limit and was killed.
    Hung {
        /// The limit.
        after: Duration,
    },
    /// The worker process died under it: abort, stack overflow, segmentation fault.
    Died {
        /// How, as "signal 6 (SIGABRT)", and the last lines it printed.
        how: String,
    },
    /// Its worker process had, or asked for, more memory than it may have.
    OutOfMemory {
        /// How many bytes it may have.
        limit: u64,
        /// How many bytes it asked for at once that it was not given, if that is what ended it.
        asked: Option<u64>,
    },
    /// Something outside of the run kept it from being done, again and again. Another time it may be done.
    Interrupted {
        /// What.
        why: String,
    },
    /// The run could not be judged, and why.
    Undecided {
        /// Why.
        reason: String,
    },
}

/// What a fault did in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCount {
    /// How often it struck.
    pub struck: u64,
    /// What it touched in all: packets, connections or calls for a network fault, disk calls for a disk fault, else processes.
    pub touched: u64,
}

/// What a run reached, to judge vacuity over all seeds and to show a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Per fault id of the spec; every fault of the spec has an entry.
    pub faults: BTreeMap<String, FaultCount>,
    /// Per line of `check:` (as it is shown to a person): how often it had something to judge. Every line but
    /// `sometimes` has an entry.
    pub exercised: BTreeMap<String, u64>,
    /// Per event pattern of `sometimes:` how often it was seen. Every pattern has an entry.
    pub sometimes: BTreeMap<String, u64>,
    /// The roles that some node took.
    #[serde(default)]
    pub roles: BTreeSet<String>,
    /// Tasks that waited, when the run ended, for what can never wake them, per group of nodes and place in code where they were spawned.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stuck: BTreeMap<String, u64>,
    /// Completed operations: ok, failed, unknown.
    pub ops: [u64; 3],
    /// Per fault id of the spec that touched nothing: what there was instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub idle: BTreeMap<String, Idle>,
    /// The abstract states that were reached, by their hashes: what happened after what, under which faults.
    pub states: BTreeSet<u32>,
}

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Which run it is.
    pub run: RunId,
    /// The verdict.
    pub verdict: Verdict,
    /// The digest; zero when the run died or hung.
    pub digest: Digest,
    /// How much virtual time passed.
    pub virtual_time: Duration,
    /// How much wall-clock time it took, in microseconds.
    pub wall_us: u64,
    /// What it reached.
    pub coverage: Coverage,
    /// The history, when it was asked for, or the run did not pass.
    pub history: Vec<Record>,
    /// Each packet, call and sync, when it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Traced>,
    /// The node whose code ran when the run was killed, and where the task was spawned that did, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polled: Option<String>,
    /// Where a panic came from.
    #[serde(default, skip_serializing_if = "Backtrace::is_empty")]
    pub backtrace: Backtrace,
    /// What the service said beside its events, when it was asked for.
    #[serde(default, skip_serializing_if = "Log::is_empty")]
    pub log: Log,
}

impl RunReport {
    /// The report of a run that nobody is left to report on, or that never began: a verdict and nothing else.
    pub(crate) fn lost(run: RunId, verdict: Verdict) -> Self {
        RunReport {
            run,
            verdict,
            digest: Digest::default(),
            virtual_time: Duration::ZERO,
            wall_us: 0,
            coverage: Coverage::default(),
            history: Vec::new(),
            trace: Vec::new(),
            polled: None,
            backtrace: Backtrace::default(),
            log: Log::default(),
        }
    }

    /// Whether the run ended with its process, so that nobody was left to report on it.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.verdict, Verdict::Hung { .. } | Verdict::Died { .. } | Verdict::OutOfMemory { .. })
    }

    /// If the run was lost, and lost again: takes over how far it got then.
    pub(crate) fn take_history(&mut self, again: &RunReport) {
        if self.is_lost() && again.is_lost() {
            self.history.clone_from(&again.history);
            self.virtual_time = again.virtual_time;
            self.polled.clone_from(&again.polled);
        }
    }

    /// Whether this and another are two executions of the same run, as far as that shows.
    pub fn is_same(&self, other: &RunReport) -> bool {
        let same_end = match (&self.verdict, &other.verdict) {
            // How it died ends with what it printed, which may hold addresses and process ids.
            (Verdict::Died { how: a }, Verdict::Died { how: b }) => a.lines().next() == b.lines().next(),
            // Which of its limits, of time or memory, a run without end meets first is up to the machine.
            (
                Verdict::OutOfMemory { .. } | Verdict::Hung { .. },
                Verdict::OutOfMemory { .. } | Verdict::Hung { .. },
            ) => true,
            (a, b) => a == b,
        };
        same_end && self.digest == other.digest
    }

    /// Whether the run passed.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Passed
    }
}
