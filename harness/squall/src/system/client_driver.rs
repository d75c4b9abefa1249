//! Who tells a client's process what to do, as far as the process knows.

use std::{future::Future, pin::Pin};

use super::Outcome;

/// Hands a client its operations and takes their outcomes.
pub trait ClientDriver: Send {
    /// Waits for the time of the next operation, and gives it as data. `None` when there is none left.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<serde_json::Value>> + Send + '_>>;

    /// Waits until the caller gives up on the operation that is open.
    fn cancelled(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Takes how the operation ended.
    fn complete(&mut self, outcome: Outcome);
}
