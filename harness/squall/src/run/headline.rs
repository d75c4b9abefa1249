//! A verdict in a line: what a failure is, wherever it is told.

use std::time::Duration;

use super::Verdict;
use crate::spec::model::Size;

impl Verdict {
    /// In a line: what was violated, who panicked, how it ended, and when.
    pub(crate) fn headline(&self) -> String {
        match self {
            Verdict::Passed => "passed".to_owned(),
            Verdict::Violated(violation) => {
                let (invariant, class) = (&violation.invariant, &violation.class);
                format!("{invariant} violated ({class}) at {}", seconds(violation.at))
            }
            Verdict::Panicked { node, location, at, .. } => {
                let location = if location.is_empty() { String::new() } else { format!(" in {location}") };
                format!("{node} panicked{location} at {}", seconds(*at))
            }
            Verdict::Hung { after } => {
                format!("hung: it did not end within {after:?} of real time and was killed")
            }
            Verdict::Died { how } => format!("its process died: {}", how.lines().next().unwrap_or_default()),
            Verdict::OutOfMemory { limit, asked: None } => {
                format!("out of memory: its process had more than {}, and was killed", Size { bytes: *limit })
            }
            Verdict::OutOfMemory { asked: Some(asked), .. } => {
                format!("out of memory: its process aborted as it was not given {}", Size { bytes: *asked })
            }
            Verdict::Undecided { .. } => "could not be judged".to_owned(),
            Verdict::Interrupted { .. } => "could not be done".to_owned(),
        }
    }
}

/// A virtual time, to the microsecond.
fn seconds(at: Duration) -> String {
    format!("{}.{:06}s", at.as_secs(), at.subsec_micros())
}
