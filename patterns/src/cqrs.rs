//! Command query responsibility segregation: commands are decided by [aggregates](Aggregate) whose state is the fold of
//! their events, queries are answered by read models that follow the [event log](crate::event_log) at a distance, on
//! other machines.
//!
//! ```text
//! client ── command ──► Commands ── append ──► Log ──► Relay ── Ship ──► Projector ◄── read ── client
//!    ▲                                                                                  │
//!    └────────────────────── Token: the position that a session has seen ───────────────┘
//! ```
//!
//! | Guarantee | How |
//! |---|---|
//! | a command takes effect at most once | its [`Cause`](crate::event_log::Cause) is in the log with its events |
//! | no decision on an outdated state | the append [expects](crate::event_log::Expected) the version that was decided on |
//! | a read model at position p is the fold of the events up to p | [`Projector`] keeps its checkpoint in the transaction that changes its rows, and takes no event twice or out of turn |
//! | a session reads what it wrote | the reader presents a [`Token`]; a replica that is behind waits, then [says so](WhenBehind) |
//! | a session never reads backwards | reads raise the token too |
//! | a projection can be had anew | [`Projector::rebuild`] folds the log again, beside the live rows, and switches over |
//!
//! The relay delivers at least once and in order; that the projection sees each event exactly once is the checkpoint's
//! doing. See Young, *CQRS Documents* (2010), and Terry et al., *Session Guarantees for Weakly Consistent Replicated
//! Data* (1994).

use serde::{Deserialize, Serialize};

pub mod account;
mod commands;
mod projection;
mod relay;

pub use self::{
    commands::{Aggregate, CommandError, Commands},
    projection::{Projection, Projector, ReadError, ReadModel, RebuildError, Rebuilt, Row, View, WhenBehind},
    relay::{ReadLog, Relay, RelaySettings, Ship, Shipped},
};

/// A causal token: how much of the log a session has seen, by writing or by reading. With one log it is one position; a
/// session keeps the greatest and presents it with each read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Token(pub u64);

impl Token {
    /// Takes note that the session has seen the log up to `position`.
    pub fn raise(&mut self, position: u64) {
        self.0 = self.0.max(position);
    }
}
