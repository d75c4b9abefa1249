//! A lock that one process holds at a time, and what it protects.

use std::fmt;

use crate::history::Process;

/// Watches a lock, and a resource that checks fencing tokens.
///
/// A process surely holds the lock from the return of its acquisition to the invocation of its release, or until it is
/// known to have lost it. Locks with leases can have two such holders; the resource must then refuse the older one (M.
/// Kleppmann, "How to do distributed locking", 2016), which is what [`accepted`](MutualExclusion::accepted) watches.
///
/// ```
/// use squall_checkers::specific::{MutualExclusion, MutualExclusionFinding};
///
/// let mut lock = MutualExclusion::new();
/// assert!(lock.acquired(0, Some(33)).is_ok());
/// lock.lost(0);                              // its lease ran out, and it does not know
/// assert!(lock.acquired(1, Some(34)).is_ok());
/// assert!(lock.accepted(1, 34).is_ok());
/// let stale = lock.accepted(0, 33).unwrap_err();
/// assert_eq!(stale, MutualExclusionFinding::Stale { process: 0, token: 33, greatest: 34 });
/// ```
#[derive(Clone, Debug, Default)]
pub struct MutualExclusion {
    holder: Option<Process>,
    granted: Option<u64>,
    accepted: Option<u64>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum MutualExclusionFinding {
    /// A process acquired the lock while another held it.
    Overlap {
        /// Who acquired it.
        process: Process,
        /// Who holds it.
        holder: Process,
    },
    /// A token is not greater than one before.
    NotGreater {
        /// Who got it.
        process: Process,
        /// The token.
        token: u64,
        /// The greatest before.
        greatest: u64,
    },
    /// The resource listened to a holder though it had listened to a later one.
    Stale {
        /// Who was listened to.
        process: Process,
        /// With which token.
        token: u64,
        /// The greatest token that was listened to before.
        greatest: u64,
    },
}

impl fmt::Display for MutualExclusionFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MutualExclusionFinding::Overlap { process, holder } => {
                write!(f, "process {process} acquired the lock while process {holder} held it")
            }
            MutualExclusionFinding::NotGreater { process, token, greatest } => {
                write!(f, "process {process} got token {token}, and {greatest} was given before")
            }
            MutualExclusionFinding::Stale { process, token, greatest } => {
                write!(f, "process {process} was listened to with token {token} after {greatest} was seen")
            }
        }
    }
}

impl MutualExclusion {
    /// A free lock.
    pub fn new() -> Self {
        Self::default()
    }

    /// A process acquired the lock; its acquisition returned, with a token if there are tokens. The process counts as the
    /// holder from now on, whatever is wrong.
    pub fn acquired(&mut self, process: Process, token: Option<u64>) -> Result<(), MutualExclusionFinding> {
        let holder = self.holder.replace(process);
        let greatest = self.granted;
        self.granted = self.granted.max(token);
        match (holder, token, greatest) {
            (Some(holder), _, _) => Err(MutualExclusionFinding::Overlap { process, holder }),
            (None, Some(token), Some(greatest)) if token <= greatest => {
                Err(MutualExclusionFinding::NotGreater { process, token, greatest })
            }
            _ => Ok(()),
        }
    }

    /// A process invokes the release of the lock.
    pub fn releasing(&mut self, process: Process) {
        self.lost(process);
    }

    /// A process does not hold the lock any more, if it did: its lease ran out, or it died.
    pub fn lost(&mut self, process: Process) {
        if self.holder == Some(process) {
            self.holder = None;
        }
    }

    /// The resource did what a process with this token asked.
    pub fn accepted(&mut self, process: Process, token: u64) -> Result<(), MutualExclusionFinding> {
        match self.accepted {
            Some(greatest) if token < greatest => {
                Err(MutualExclusionFinding::Stale { process, token, greatest })
            }
            _ => {
                self.accepted = Some(token);
                Ok(())
            }
        }
    }
}
