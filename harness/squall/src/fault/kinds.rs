//! The list of all kinds, and the entry of a fault in a spec.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Kind, Strike,
    hold::Hold,
    one_of::{at_most_one, exactly_one},
};
use crate::{
    context::Context,
    language::{
        Place,
        model::{Dur, DurationRange, Every, Link, Probability, Spanned, Target, Trigger},
    },
};

/// The roles in targets and links among these values, wherever a kind has them.
fn add_roles(written: &Value, roles: &mut BTreeSet<String>) {
    match written {
        Value::String(text) => {
            let link = text.parse::<Link>().map(|link| vec![link.from, link.to]);
            let targets = link.or_else(|_| text.parse().map(|target| vec![target])).unwrap_or_default();
            roles.extend(targets.iter().filter_map(Target::role).map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| add_roles(item, roles)),
        Value::Object(entries) => entries.values().for_each(|entry| add_roles(entry, roles)),
        _ => {}
    }
}

/// Declares a [`Fault`]'s kinds, the [`Action`] that each becomes in a plan, and the way from both to its [`Kind`].
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident: $variant:ident($type:ty),)+) => {
        /// The names of all kinds, in the order of the documentation.
        pub const KINDS: &[&str] = &[$(stringify!($name)),+];

        /// A fault: exactly one kind, when it strikes (`at`, `every` or `when`), and how long it lasts.
        #[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(extend("allOf" = [exactly_one(KINDS), at_most_one(SCHEDULES), one_length()]))]
        pub struct Fault {
            /// Names it in reports and keys its random draws.
            pub id: Spanned<String>,
            $(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<Spanned<$type>>,
            )+
            /// Strike at this time since the start of the run.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub at: Option<Spanned<DurationRange>>,
            /// Strike again and again, within `between`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub every: Option<Spanned<Every>>,
            /// Strike when a node reports something, or sends, calls or syncs.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub when: Option<Spanned<Trigger>>,
            /// For `every`: the first and the last moment to strike. Default: the chaos phase.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub between: Option<Spanned<(Dur, Dur)>>,
            /// For `every` and `when`: strike at most this often. Default for `when`: 1.
            #[schemars(range(min = 1))]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub times: Option<Spanned<u32>>,
            /// The chance of each strike to happen at all, drawn apart. Default: 100%.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub probability: Option<Spanned<Probability>>,
            /// How long it lasts. Default: until settle begins. Some kinds say it in their own entry, some are over at once.
            #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
            pub lasts: Option<Spanned<DurationRange>>,
        }

        /// In the JSON Schema: no `for` beside what is over at once, or says itself how long it lasts.
        fn one_length() -> Value {
            let mut twice = Vec::new();
            $(
                let name = stringify!($name);
                if <$type as Kind>::INSTANT {
                    twice.push(json!({ "required": [name] }));
                }
                if let Some(end) = <$type as Kind>::END_KEY {
                    twice.push(json!({ "required": [name], "properties": { name: { "required": [end] } } }));
                }
            )+
            json!({ "not": { "required": ["for"], "anyOf": twice } })
        }

        impl Fault {
            /// A fault that does this, without a schedule.
            pub(crate) fn of(id: String, action: Action) -> Fault {
                let mut fault = Fault {
                    id: id.into(),
                    $($name: None,)+
                    at: None,
                    every: None,
                    when: None,
                    between: None,
                    times: None,
                    probability: None,
                    lasts: None,
                };
                match action { $(Action::$variant(kind) => fault.$name = Some(kind.into()),)+ }
                fault
            }

            /// The roles that its targets name.
            pub(crate) fn roles(&self) -> BTreeSet<String> {
                let mut roles = BTreeSet::new();
                $(if let Some(kind) = &self.$name {
                    let written = serde_json::to_value(&kind.value).expect("a fault can be written");
                    add_roles(&written, &mut roles);
                })+
                roles
            }

            /// What it does: one thing, once the spec is in order.
            pub(crate) fn actions(&self) -> impl Iterator<Item = Action> {
                let all = [$(self.$name.as_ref().map(|kind| Action::$variant(kind.value.clone()))),+];
                all.into_iter().flatten()
            }

            /// Shows the ranges of what it does.
            pub(crate) fn ranges(&mut self, each: &mut dyn FnMut(super::Range<'_>)) {
                $(if let Some(kind) = &mut self.$name {
                    kind.value.ranges(each);
                })+
            }
        }

        /// What a fault does. In a plan its numbers are drawn; targets are resolved when it strikes.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Action {
            $($(#[doc = $doc])+ $variant($type),)+
        }

        impl Action {
            /// The kind's name, as in a spec.
            pub fn name(&self) -> &'static str {
                match self { $(Action::$variant(_) => stringify!($name),)+ }
            }

            pub(crate) fn is_instant(&self) -> bool {
                match self { $(Action::$variant(_) => <$type as Kind>::INSTANT,)+ }
            }

            pub(crate) fn touches(&self) -> &'static str {
                match self { $(Action::$variant(_) => <$type as Kind>::TOUCHES,)+ }
            }

            pub(crate) fn may_stand(&self) -> bool {
                match self { $(Action::$variant(_) => <$type as Kind>::MAY_STAND,)+ }
            }

            pub(crate) fn end_key(&self) -> Option<&'static str> {
                match self { $(Action::$variant(_) => <$type as Kind>::END_KEY,)+ }
            }

            pub(crate) fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
                match self { $(Action::$variant(kind) => kind.check(at, context),)+ }
            }

            pub(crate) fn ranges(&mut self, each: &mut dyn FnMut(super::Range<'_>)) {
                match self { $(Action::$variant(kind) => kind.ranges(each),)+ }
            }

            pub(crate) fn own_end(&self) -> Option<Dur> {
                match self { $(Action::$variant(kind) => kind.own_end(),)+ }
            }

            pub(crate) fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
                match self { $(Action::$variant(kind) => kind.strike(strike),)+ }
            }
        }
    };
}

use super::{clock::*, disk::*, network::*, process::*, topology::*};

kinds! {
    /// Cut links.
    partition: Partition(Partition),
    /// Slow links down.
    delay: Delay(Delay),
    /// Lose packets.
    loss: Loss(Loss),
    /// Have packets arrive twice.
    duplicate: Duplicate(Duplicate),
    /// Have packets overtake each other.
    reorder: Reorder(Reorder),
    /// Flip bits of packets.
    corrupt: Corrupt(Corrupt),
    /// Make links narrow.
    bandwidth: Bandwidth(NarrowLink),
    /// Keep packets and deliver all of them at the heal.
    hold: Hold(HoldPackets),
    /// Tear connections down under both ends.
    reset: Reset(Reset),
    /// Have one end of connections forget them.
    half_open: HalfOpen(HalfOpen),
    /// Break single calls, by method and number.
    rpc: Rpc(Rpc),
    /// Lose, double or delay single packets, by kind and number.
    message: Message(Message),
    /// Change what is sent, as an attacker on the way does.
    tamper: Tamper(Tamper),
    /// Send again what was sent, as an attacker on the way does.
    replay: Replay(Replay),
    /// End processes.
    crash: Crash(Crash),
    /// Stop processes for a while.
    pause: Pause(Pause),
    /// Restart processes in good order.
    restart: Restart(Restart),
    /// Let processes run a fraction of the time.
    slow: Slow(Slow),
    /// Have clients give up in the middle of an operation.
    cancel: Cancel(Cancel),
    /// Have disk calls block the process.
    disk_stall: DiskStall(DiskStall),
    /// Have disk calls fail.
    disk_error: DiskError(DiskError),
    /// Leave no room on disks.
    disk_full: DiskFull(DiskFull),
    /// Flip bits on disks.
    disk_corrupt: DiskCorrupt(DiskCorrupt),
    /// Have writes stop part-way.
    disk_torn: DiskTorn(DiskTorn),
    /// Have reads give less than was asked for.
    disk_short_read: DiskShortRead(DiskShortRead),
    /// Have syncs report success and do nothing.
    disk_lying_sync: DiskLyingSync(DiskLyingSync),
    /// Have clocks disagree.
    clock_skew: ClockSkew(ClockSkew),
    /// Set clocks ahead or back.
    clock_jump: ClockJump(ClockJump),
    /// Have clocks run fast or slow.
    clock_drift: ClockDrift(ClockDrift),
    /// Have clocks jump ahead and back in turns.
    clock_strobe: ClockStrobe(ClockStrobe),
    /// Add nodes to a group.
    join: Join(Join),
    /// Take nodes out of their group.
    leave: Leave(Leave),
}

/// The entries that say when a fault strikes.
pub(crate) const SCHEDULES: &[&str] = &["at", "every", "when"];
