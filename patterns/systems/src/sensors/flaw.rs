//! What people get wrong: the flawed variants. Each is a few lines at the place where the good implementation does otherwise,
//! marked `Flawed`.

use serde::{Deserialize, Serialize};
use squall::Flaws;

/// A flawed variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Flaws)]
#[serde(rename_all = "snake_case")]
pub enum FlawKind {
    // Datagrams.
    /// Collectors believe every datagram, so flipped bits become readings.
    #[violates("readings_authentic")]
    NoChecksum,
    /// Collectors store a reading as often as it comes.
    #[violates("readings_once_in_order")]
    NoDedup,
    /// Collectors take readings as they come and the newest as the sign that the ones before it are there.
    #[violates("readings_once_in_order")]
    TrustsOrder,
    /// Collectors know the last few readings only, and store an older one once more.
    #[violates("readings_once_in_order")]
    ShortMemory,
    /// Sensors send each reading once, as if no datagram were ever lost.
    #[violates("readings_delivered")]
    SendsOnce,
    /// Sensors give up on a collector that has not answered for a while, for ever.
    #[violates("readings_delivered")]
    GivesUp,
    /// Sensors ask who the collectors are at their start, and never again.
    #[violates("readings_delivered")]
    FixedMembers,
    /// A collector panics at a datagram that is no message, and only the task that receives ends: the rest of it lives on.
    #[violates("readings_delivered")]
    DeafAfterPanic,
    // The log.
    /// Collectors acknowledge what is written and not yet synced, so a power loss takes it back.
    #[violates("readings_durable")]
    AcksBeforeSync,
    /// Collectors acknowledge what is in memory, and do not write it when they are asked to end.
    #[violates("readings_durable")]
    AcksFromMemory,
    /// After a failed sync collectors sync again and believe the success (fsyncgate).
    #[violates("readings_durable")]
    RetriesSync,
    /// Collectors acknowledge readings that a full disk did not take.
    #[violates("readings_durable")]
    DropsOnFull,
    /// After a write that stopped part-way collectors go on behind what is left of it.
    #[violates("readings_durable")]
    AppendsAfterTorn,
    /// Collectors read their log with one read, which may give less.
    #[violates("readings_durable")]
    SingleRead,
    /// Collectors believe what the disk gives, without checksums.
    #[violates("readings_authentic")]
    TrustsTheDisk,
    // Time.
    /// The primary tells by its wall clock how old its lease is.
    #[violates("one_primary")]
    WallClockLease,
    /// A lease ends at a time of day, by whoever's clock.
    #[violates("one_primary")]
    LeaseUntilWallTime,
    /// The primary counts its lease from the reply, not from the request.
    #[violates("one_primary")]
    LeaseFromReceipt,
    /// The primary looks at its lease, waits, and publishes without another look.
    #[violates("one_primary")]
    CheckedBeforeWaiting,
    /// A keeper that was started anew gives the lease to the first who asks.
    #[violates("one_primary")]
    KeeperForgets,
    /// The latest reading is the one with the latest time: the last write wins.
    #[violates("latest_is_newest")]
    LatestByClock,
    // Calls.
    /// A sensor answers a command before it is on its disk, so a power loss takes it back.
    #[violates("counter_bounds")]
    CommandsBeforeSync,
    /// Clients do not say what they have seen, so a collector that is behind takes them back.
    #[violates("monotonic_reads")]
    ForgetsSeen,
    /// Sensors execute a command as often as it comes.
    #[violates("adjusted_once")]
    NoRequestIds,
    /// Clients try again under a new request id.
    #[violates("adjusted_once")]
    NewIdEachTry,
    /// Clients move on to the next request id when a reply came, and not if they gave up before.
    #[violates("adjusted_once")]
    ReusesRequestId,
    /// Clients report a command that timed out as failed.
    #[violates("adjusted_once")]
    TimeoutIsFailure,
    /// Sensors execute commands that anyone may have changed.
    #[violates("adjusted_once")]
    UnsignedCommands,
    /// Clients wait for a reply as long as it takes.
    #[violates("answers_in_time")]
    NoTimeout,
}
