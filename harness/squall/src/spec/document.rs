//! A spec as a whole, as serde reads it.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    fault::Fault,
    language::model::{
        Check, Expect, Explore, Limits, Network, Panics, Phases, PlannedOperation, Spanned, Workload,
    },
    run_id::RunId,
};

/// A whole spec.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The version of the language: 1.
    pub spec: Spanned<u32>,
    /// What the spec shows, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Files that this one is laid over: looked for beside it and in the directories above. Mappings are merged, `faults` and
    /// `check` appended, anything else is replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Spanned<String>>,
    /// Values of entries, by the way to them (`params.style`, `workload.clients`, `faults.ID.for`): each combination is a spec of its
    /// own. (In a spec that was read there is none left: it is one of them.)
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub matrix: IndexMap<Spanned<String>, Vec<serde_json::Value>>,
    /// The system to run.
    pub system: Spanned<String>,
    /// `hardened` (the default), or the name of a flaw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Spanned<String>>,
    /// The system's parameters; `squall describe SYSTEM` lists them. A range where one value is meant is drawn for each seed, and
    /// so is `{ draw: [a, b] }`.
    #[serde(default)]
    pub params: Spanned<serde_json::Value>,
    /// Sizes of node groups that differ from the system's default.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub topology: IndexMap<Spanned<String>, Spanned<u32>>,
    /// What the network is like when nothing is broken.
    #[serde(default)]
    pub network: Network,
    /// What clients do.
    #[serde(default)]
    pub workload: Workload,
    /// What breaks.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// How much may be broken at once.
    #[serde(default)]
    pub limits: Limits,
    /// What a panic in a task of a process is.
    #[serde(default, skip_serializing_if = "Panics::is_default")]
    pub panics: Panics,
    /// How long each phase lasts.
    #[serde(default)]
    pub phases: Phases,
    /// One run instead of many: its seed and its operations, as `squall shrink` writes them. `faults` are then fixed, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Spanned<PlanSection>>,
    /// What must hold.
    #[serde(default)]
    pub check: Vec<Spanned<Check>>,
    /// What the verdict must be.
    #[serde(default)]
    pub expect: Expect,
    /// How many seeds to run.
    #[serde(default)]
    pub explore: Explore,
}

/// One run, written out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanSection {
    /// The seed, which keys what the run itself draws: latencies, which of `one(orders)`.
    pub seed: Spanned<u64>,
    /// Which of the orders in which tasks may run; the one of the seed if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<u64>,
    /// The run that it was shrunk from, by the name that reports print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub of: Option<RunId>,
    /// A fingerprint of the build that found it. Another build may make another run of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The digest of the run, as that build made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What clients do.
    pub operations: Vec<PlannedOperation>,
}

impl PlanSection {
    /// Its one run.
    pub(crate) fn run(&self) -> RunId {
        RunId::drawn(*self.seed)
    }

    /// The run that it was shrunk from; its own if it does not say.
    pub(crate) fn origin(&self) -> RunId {
        self.of.clone().unwrap_or_else(|| self.run())
    }
}
