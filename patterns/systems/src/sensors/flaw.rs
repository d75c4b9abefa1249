//! What people get wrong: the flawed variants. Each is a few lines at the place where the good implementation does otherwise,
//! marked `Flawed`.

use serde::{
    Deserialize, Serialize,
    de::value::{Error as ValueError, StrDeserializer},
};
use squall::Flaw;

/// A flawed variant; [`FLAWS`] says what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlawKind {
    // Datagrams.
    NoChecksum,
    NoDedup,
    TrustsOrder,
    ShortMemory,
    SendsOnce,
    GivesUp,
    FixedMembers,
    DeafAfterPanic,
    // The log.
    AcksBeforeSync,
    AcksFromMemory,
    RetriesSync,
    DropsOnFull,
    AppendsAfterTorn,
    SingleRead,
    TrustsTheDisk,
    // Time.
    WallClockLease,
    LeaseUntilWallTime,
    LeaseFromReceipt,
    CheckedBeforeWaiting,
    KeeperForgets,
    LatestByClock,
    // Calls.
    CommandsBeforeSync,
    ForgetsSeen,
    NoRequestIds,
    NewIdEachTry,
    ReusesRequestId,
    TimeoutIsFailure,
    UnsignedCommands,
    NoTimeout,
}

const fn flaw(name: &'static str, violates: &'static str, about: &'static str) -> Flaw {
    Flaw { name, about, violates }
}

/// What `variant:` can name.
pub const FLAWS: &[Flaw] = &[
    flaw(
        "no_checksum",
        "readings_authentic",
        "collectors believe every datagram, so flipped bits become readings",
    ),
    flaw("no_dedup", "readings_once_in_order", "collectors store a reading as often as it comes"),
    flaw(
        "trusts_order",
        "readings_once_in_order",
        "collectors take readings as they come and the newest as the sign that the ones before it are there",
    ),
    flaw(
        "short_memory",
        "readings_once_in_order",
        "collectors know the last few readings only, and store an older one once more",
    ),
    flaw(
        "sends_once",
        "readings_delivered",
        "sensors send each reading once, as if no datagram were ever lost",
    ),
    flaw(
        "gives_up",
        "readings_delivered",
        "sensors give up on a collector that has not answered for a while, for ever",
    ),
    flaw(
        "fixed_members",
        "readings_delivered",
        "sensors ask who the collectors are at their start, and never again",
    ),
    flaw(
        "deaf_after_panic",
        "readings_delivered",
        "a collector panics at a datagram that is no message, and only the task that receives ends: the rest of it lives on",
    ),
    flaw(
        "acks_before_sync",
        "readings_durable",
        "collectors acknowledge what is written and not yet synced, so a power loss takes it back",
    ),
    flaw(
        "acks_from_memory",
        "readings_durable",
        "collectors acknowledge what is in memory, and do not write it when they are asked to end",
    ),
    flaw(
        "retries_sync",
        "readings_durable",
        "after a failed sync collectors sync again and believe the success (fsyncgate)",
    ),
    flaw(
        "drops_on_full",
        "readings_durable",
        "collectors acknowledge readings that a full disk did not take",
    ),
    flaw(
        "appends_after_torn",
        "readings_durable",
        "after a write that stopped part-way collectors go on behind what is left of it",
    ),
    flaw("single_read", "readings_durable", "collectors read their log with one read, which may give less"),
    flaw(
        "trusts_the_disk",
        "readings_authentic",
        "collectors believe what the disk gives, without checksums",
    ),
    flaw("wall_clock_lease", "one_primary", "the primary tells by its wall clock how old its lease is"),
    flaw("lease_until_wall_time", "one_primary", "a lease ends at a time of day, by whoever's clock"),
    flaw(
        "lease_from_receipt",
        "one_primary",
        "the primary counts its lease from the reply, not from the request",
    ),
    flaw(
        "checked_before_waiting",
        "one_primary",
        "the primary looks at its lease, waits, and publishes without another look",
    ),
    flaw(
        "keeper_forgets",
        "one_primary",
        "a keeper that was started anew gives the lease to the first who asks",
    ),
    flaw(
        "latest_by_clock",
        "latest_is_newest",
        "the latest reading is the one with the latest time: the last write wins",
    ),
    flaw(
        "commands_before_sync",
        "counter_bounds",
        "a sensor answers a command before it is on its disk, so a power loss takes it back",
    ),
    flaw(
        "forgets_seen",
        "monotonic_reads",
        "clients do not say what they have seen, so a collector that is behind takes them back",
    ),
    flaw("no_request_ids", "adjusted_once", "sensors execute a command as often as it comes"),
    flaw("new_id_each_try", "adjusted_once", "clients try again under a new request id"),
    flaw(
        "reuses_request_id",
        "adjusted_once",
        "clients move on to the next request id when a reply came, and not if they gave up before",
    ),
    flaw("timeout_is_failure", "adjusted_once", "clients report a command that timed out as failed"),
    flaw("unsigned_commands", "adjusted_once", "sensors execute commands that anyone may have changed"),
    flaw("no_timeout", "answers_in_time", "clients wait for a reply as long as it takes"),
];

impl FlawKind {
    /// The flaw of that name.
    pub fn by_name(name: &str) -> Option<FlawKind> {
        let name = StrDeserializer::<ValueError>::new(name);
        FlawKind::deserialize(name).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_flaw_has_a_kind_of_its_own() {
        let kinds: BTreeSet<_> = FLAWS
            .iter()
            .map(|flaw| format!("{:?}", FlawKind::by_name(flaw.name).expect(flaw.name)))
            .collect();
        assert_eq!(kinds.len(), FLAWS.len());
        assert_eq!(FlawKind::by_name("hardened"), None);
    }
}
