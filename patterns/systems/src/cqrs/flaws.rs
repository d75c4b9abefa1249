//! What people get wrong: flawed logs and read models in the place of the pattern's, reporting the same events.

use serde::{
    Deserialize, Serialize,
    de::value::{Error as ValueError, StrDeserializer},
};
use squall::Flaw;

mod log;
mod read_model;

pub use self::{
    log::{BareLog, Unchecked},
    read_model::{AckFirst, BareModel},
};

/// A flawed variant; [`FLAWS`] says what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlawKind {
    NoExpectedVersion,
    UnsyncedLog,
    HighWaterMark,
    AcknowledgedBeforeApplied,
    CheckpointBeforeApply,
    DoubleCount,
    NoSessionToken,
}

/// What `variant:` can name.
pub const FLAWS: &[Flaw] = &[
    Flaw {
        name: "no_expected_version",
        about: "events are appended whatever the stream's version is, so a decision overwrites one it has not seen",
        violates: "event_log_integrity",
    },
    Flaw {
        name: "unsynced_log",
        about: "commands are acknowledged before the log is synced, so a power loss takes them back",
        violates: "event_log_integrity",
    },
    Flaw {
        name: "high_water_mark",
        about: "positions come from a sequence before the commit, so the relay passes over those that commit late",
        violates: "projection_correctness",
    },
    Flaw {
        name: "acknowledged_before_applied",
        about: "a replica acknowledges events it has only queued in memory, and a crash loses them",
        violates: "projection_correctness",
    },
    Flaw {
        name: "checkpoint_before_apply",
        about: "the checkpoint is saved before the rows, in a transaction of its own; a crash in between skips events",
        violates: "projection_correctness",
    },
    Flaw {
        name: "double_count",
        about: "the projection adds up whatever is delivered, and what is delivered twice counts twice",
        violates: "projection_correctness",
    },
    Flaw {
        name: "no_session_token",
        about: "reads go to any replica without saying what the session has seen",
        violates: "read_your_writes",
    },
];

impl FlawKind {
    /// The flaw of that name.
    pub fn by_name(name: &str) -> Option<FlawKind> {
        let name = StrDeserializer::<ValueError>::new(name);
        FlawKind::deserialize(name).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_flaw_has_a_kind_of_its_own() {
        let kinds: BTreeSet<_> = FLAWS
            .iter()
            .map(|flaw| format!("{:?}", FlawKind::by_name(flaw.name).expect(flaw.name)))
            .collect();
        assert_eq!(kinds.len(), FLAWS.len());
        assert_eq!(FlawKind::by_name("hardened"), None);
    }
}
