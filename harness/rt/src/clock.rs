//! The node's wall clock: what `SystemTime::now` says in production. In the simulation every node has a clock of its
//! own, which a fault may skew, so code that orders events by it can be caught.

use std::time::SystemTime;

/// The wall-clock time of the calling node.
pub fn now() -> SystemTime {
    #[cfg(madsim)]
    {
        crate::world::wall_clock()
    }
    #[cfg(not(madsim))]
    {
        SystemTime::now()
    }
}
