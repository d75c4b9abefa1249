//! What callers and upstreams report, read back from the history.

use std::time::Duration;

use squall::{Record, check::Breach, history::Kind};

use crate::event::{int, text, truth, unreadable};

/// A breaker at work: one caller's towards one upstream, by its host name, in one life of the caller.
pub(super) use crate::every_pattern::Pool as Breaker;

/// The three states of the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    Open,
    HalfOpen,
}

/// What is said about a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Created,
    /// `None` for a state that is not in the diagram.
    Transition {
        from: Option<State>,
        to: Option<State>,
        generation: i64,
    },
    Admitted {
        generation: i64,
        permit: i64,
    },
    Rejected {
        generation: i64,
    },
    Result {
        permit: i64,
        failed: bool,
        late: bool,
    },
    Returned {
        permit: i64,
        late: bool,
    },
    /// By the caller: it is done with the call.
    CallEnded {
        permit: i64,
    },
    /// By the upstream: the call arrived.
    Received {
        permit: i64,
    },
}

/// Something said about a breaker.
pub(super) struct Observed {
    pub(super) breaker: Breaker,
    pub(super) at: Duration,
    pub(super) seq: u64,
    pub(super) said: Said,
}

impl Observed {
    /// Reads a record; `None` if it is not about a breaker.
    ///
    /// # Errors
    /// When the event lacks what it must tell.
    pub(super) fn read(record: &Record) -> Result<Option<Self>, Breach> {
        let Kind::Event { node, incarnation, name, fields } = &record.kind else { return Ok(None) };
        let said = match &**name {
            "breaker.created" => Said::Created,
            "breaker.transition" => Said::Transition {
                from: state(text(fields, "from")?),
                to: state(text(fields, "to")?),
                generation: int(fields, "generation")?,
            },
            "breaker.admitted" => {
                Said::Admitted { generation: int(fields, "generation")?, permit: int(fields, "permit")? }
            }
            "breaker.rejected" => Said::Rejected { generation: int(fields, "generation")? },
            "breaker.result" => Said::Result {
                permit: int(fields, "permit")?,
                failed: text(fields, "outcome")? == "failure",
                late: truth(fields, "late")?,
            },
            "breaker.returned" => {
                Said::Returned { permit: int(fields, "permit")?, late: truth(fields, "late")? }
            }
            "caller.call_ended" => Said::CallEnded { permit: int(fields, "permit")? },
            "upstream.received" => Said::Received { permit: int(fields, "permit")? },
            _ => return Ok(None),
        };
        // An upstream speaks of the caller's breaker, all others of their own.
        let (node, incarnation) = if let Said::Received { .. } = said {
            let incarnation = u32::try_from(int(fields, "incarnation")?);
            (text(fields, "caller")?, incarnation.map_err(|_| unreadable("incarnation"))?)
        } else {
            (&**node, *incarnation)
        };
        let breaker =
            Breaker { node: node.to_owned(), incarnation, name: text(fields, "breaker")?.to_owned() };
        Ok(Some(Observed { breaker, at: record.at, seq: record.seq, said }))
    }
}

fn state(name: &str) -> Option<State> {
    match name {
        "closed" => Some(State::Closed),
        "open" => Some(State::Open),
        "half_open" => Some(State::HalfOpen),
        _ => None,
    }
}
