//! What clients ask of the nodes. (What the nodes ask of each other is the pattern's.)

use std::time::Duration;

use serde::{Deserialize, Serialize};
use squall_patterns::{
    cqrs::{
        Token, View, WhenBehind,
        account::{AccountCommand, Balance},
    },
    event_log::Appended,
};
use squall_rt::rpc::Method;

/// Where every node listens.
pub const PORT: u16 = 7000;

/// Handles a command to an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Submit {
    /// Which account.
    pub account: String,
    /// The command's id, the same whenever it is sent.
    pub id: u128,
    /// The command.
    pub command: AccountCommand,
}

impl Method for Submit {
    const NAME: &'static str = "submit";
    type Reply = Appended;
}

/// Reads a balance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Get {
    /// Which account.
    pub account: String,
    /// What the session has seen.
    pub token: Token,
    /// How long to wait for it.
    pub wait: Duration,
    /// What to do when that was in vain.
    pub behind: WhenBehind,
}

impl Method for Get {
    const NAME: &'static str = "get";
    type Reply = View<Balance>;
}

/// Reads all balances at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Audit {
    /// Which accounts.
    pub accounts: Vec<String>,
    /// What the session has seen.
    pub token: Token,
    /// How long to wait for it.
    pub wait: Duration,
    /// What to do when that was in vain.
    pub behind: WhenBehind,
}

impl Method for Audit {
    const NAME: &'static str = "audit";
    /// A view of each account, all at one moment.
    type Reply = Vec<View<Balance>>;
}

/// Folds a replica's rows anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rebuild;

/// A rebuild that is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RebuildDone {
    /// The position at which it took over.
    pub position: u64,
    /// How many rows there are.
    pub rows: u64,
}

impl Method for Rebuild {
    const NAME: &'static str = "rebuild";
    type Reply = RebuildDone;
}
