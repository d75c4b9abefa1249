//! What a server does with a request: serve it, except where a fault of the simulation says otherwise.

use std::{net::SocketAddr, time::Duration};

use super::Status;

/// What is done with a request.
pub(super) struct Treatment {
    /// How much later it is begun.
    pub(super) later: Duration,
    /// Whether it goes on when its caller cancels or the connection ends.
    pub(super) detached: bool,
    /// Whether its caller hears of the outcome.
    pub(super) replies: bool,
    /// It is answered with this instead of being handled.
    pub(super) answer: Option<Status>,
    /// It is handled once more, so much later, and nobody hears of that.
    pub(super) again: Option<Duration>,
}

impl Treatment {
    const SERVED: Treatment =
        Treatment { later: Duration::ZERO, detached: false, replies: true, answer: None, again: None };

    /// What is done with a request of this caller, who waits for so many microseconds. None if it never arrived.
    #[cfg(not(madsim))]
    pub(super) fn of(_peer: SocketAddr, _method: &str, _within_us: u64) -> Option<Treatment> {
        Some(Treatment::SERVED)
    }

    /// What is done with a request of this caller, who waits for so many microseconds. None if it never arrived.
    #[cfg(madsim)]
    pub(super) fn of(peer: SocketAddr, method: &str, within_us: u64) -> Option<Treatment> {
        use crate::world::rpc::{CallFate, fate_of};
        /// How much later than the deadline a request arrives that is just too late.
        const TOO_LATE: Duration = Duration::from_millis(1);
        let served = Treatment::SERVED;
        Some(match fate_of(peer.ip(), method) {
            None => served,
            Some(CallFate::NeverArrives) => return None,
            Some(CallFate::ReplyLost) => Treatment { replies: false, ..served },
            Some(CallFate::Late(by)) => {
                let later = by.unwrap_or(Duration::from_micros(within_us) + TOO_LATE);
                Treatment { later, detached: true, ..served }
            }
            Some(CallFate::Duplicated(later)) => Treatment { again: Some(later), ..served },
            Some(CallFate::Answered(code)) => {
                Treatment { answer: Some(Status::new(code, "injected by a fault")), ..served }
            }
        })
    }
}
