//! What is commonly got wrong about handing out unique numbers in blocks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::Flaw;

/// What is wrong with the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdFlaw {
    /// The sequencer answers before its mark is durable.
    LazyMark,
    /// An allocator numbers its requests from 1 at every start, and the sequencer takes the first one after a restart
    /// for a repetition.
    NumberedFromOne,
    /// An allocator that cannot reach the sequencer goes on after its last block, as if that were its own too.
    GoesOnAlone,
}

/// The flaws, as `variant:` names them.
pub(super) const FLAWS: &[Flaw] = &[
    Flaw {
        name: "lazy_mark",
        about: "the sequencer answers before its mark is durable",
        violates: "ids_unique",
    },
    Flaw {
        name: "numbered_from_one",
        about: "a restarted allocator's first request is taken for a repetition of an earlier one",
        violates: "ids_unique",
    },
    Flaw {
        name: "goes_on_alone",
        about: "an allocator that cannot reach the sequencer takes the numbers after its last block",
        violates: "ids_unique",
    },
];

impl IdFlaw {
    /// The flaw that `variant` names.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "lazy_mark" => Self::LazyMark,
            "numbered_from_one" => Self::NumberedFromOne,
            "goes_on_alone" => Self::GoesOnAlone,
            _ => panic!("the harness applies only the variants it was given, and {name:?} is none"),
        }
    }
}
