//! Topology faults: the cluster grows and shrinks during a run.

mod join;
mod leave;

pub use self::{join::Join, leave::Leave};

use std::time::Duration;

use crate::language::model::Dur;

/// How long a process that leaves has to end, unless the spec says otherwise.
const GRACE: Dur = Dur(Duration::from_secs(1));
