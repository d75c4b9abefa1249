//! The node's wall clock: what `SystemTime::now` says in production. In the simulation every node has a clock of its
//! own, which a fault may skew, so code that orders events by it can be caught. `SystemTime::now` itself shows the true
//! time there, whatever is wrong with the node's clock: code that calls it is simulated, but not tested for this.

use std::time::SystemTime;

/// The wall-clock time of the calling node. It may step back and forth, and lie before the Unix epoch.
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
