//! `permits_balanced`: whatever becomes of a call (it ends, is cancelled, its future is dropped), its permit comes back once.
//!
//! It is [`permits_returned`](crate::every_pattern::PermitsReturned) in the words of a breaker. Judged at each call's end, which the caller
//! reports and not the breaker: a permit that has not come back by then never will. Classes: `permit_leaked`, `permit_returned_twice`.

use std::time::Duration;

use squall::{
    EventKind, Invariant, Record,
    check::{Breach, End},
};

use super::{
    EVENTS,
    observed::{Observed, Said},
};
use crate::every_pattern::Permits;

/// See the [module](self).
pub struct PermitsBalanced {
    permits: Permits,
    judged: u64,
}

impl PermitsBalanced {
    /// No call takes longer than this.
    pub fn new(longest_call: Duration) -> Self {
        PermitsBalanced { permits: Permits::new(longest_call), judged: 0 }
    }
}

impl Invariant for PermitsBalanced {
    fn name(&self) -> &str {
        "permits_balanced"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some(Observed { breaker: pool, at, seq, said }) = Observed::read(record)? else { return Ok(()) };
        match said {
            // What a dead process held died with it.
            Said::Created => self.permits.gone(|known| known.node == pool.node && known.name == pool.name),
            Said::Admitted { permit, .. } => self.permits.given(pool, permit, at, seq),
            Said::Result { permit, .. } | Said::Returned { permit, .. } => {
                self.permits.returned(&pool, permit)?
            }
            Said::CallEnded { permit } => {
                self.judged += 1;
                self.permits.due(&pool, permit, at)?;
            }
            Said::Transition { .. } | Said::Rejected { .. } | Said::Received { .. } => {}
        }
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        self.permits.finish(end)
    }

    fn exercised(&self) -> u64 {
        self.judged
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }
}
