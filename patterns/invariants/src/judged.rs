//! How a test shows a history to a law.

use squall::{Invariant, Record, check::Breach};

/// The breach that a law finds, which must be at the last record.
///
/// # Panics
/// When it finds one before.
pub(crate) fn judged(records: &[Record], law: &mut dyn Invariant) -> Option<Breach> {
    for (nth, record) in records.iter().enumerate() {
        if let Err(breach) = law.observe(record) {
            assert_eq!(nth + 1, records.len(), "{breach:?}");
            return Some(breach);
        }
    }
    None
}
