//! What is commonly got wrong about handing out unique numbers in blocks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::Flaws;

/// What is wrong with the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Flaws)]
#[serde(rename_all = "snake_case")]
pub enum IdFlaw {
    /// The sequencer answers before its mark is durable.
    #[violates("ids_unique")]
    LazyMark,
    /// A restarted allocator's first request is taken for a repetition of an earlier one.
    ///
    /// It numbers its requests from 1 at every start.
    #[violates("ids_unique")]
    NumberedFromOne,
    /// An allocator that cannot reach the sequencer takes the numbers after its last block.
    #[violates("ids_unique")]
    GoesOnAlone,
}
