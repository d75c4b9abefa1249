//! The types of a spec, version 1. What is written here is the language: serde reads it and the JSON Schema is made
//! from it.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::spanned::{Span, Spanned};

/// A duration that is drawn anew for each seed: `2s`, or `1s..3s`, uniform with both ends included.
/// Units: `ns`, `us`, `ms`, `s`, `m`, `h`; `1.5s` is fine, a bare number is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationRange {
    /// The least.
    pub min: Duration,
    /// The most; equal to `min` for a fixed duration.
    pub max: Duration,
}

/// A count that is drawn anew for each seed: `2`, or `1..3`, uniform with both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountRange {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

/// A fixed duration, written as `400ms`. (In `Params` of systems too.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dur(pub Duration);

/// A probability: `0.1%`, or a number from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Probability(pub f64);

/// Events a second: `20/s`, `90/m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Per second.
    pub per_second: f64,
}

/// Bytes a second: `10MiB/s`, `125kB/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// Bytes per second.
    pub bytes_per_second: u64,
}

/// A set of nodes, resolved when the fault fires: `payments`, `payments[1]`, `one(orders)`, `some(orders)`,
/// `minority(orders)`, `majority(orders)`, `all(orders)`, `role(leader)`, `clients`, `rest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Every node of a group (`payments`, `all(payments)`), `clients` included.
    Group(String),
    /// One node by position.
    Member(String, u32),
    /// One node of the target, drawn.
    One(Box<Target>),
    /// At least one node of the target, drawn.
    Some(Box<Target>),
    /// A drawn minority: at least one node, and fewer than half. (A group of fewer than three has none: an error.)
    Minority(Box<Target>),
    /// A drawn majority.
    Majority(Box<Target>),
    /// Whoever holds the role, as reported by `role.acquired` and `role.lost` events.
    Role(String),
    /// Every node that the fault names nowhere else.
    Rest,
}

/// A set of directed links: `a -> b`, or both ways with `a <-> b`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// Senders.
    pub from: Target,
    /// Receivers.
    pub to: Target,
    /// `<->`: the other direction too.
    pub both: bool,
}

/// A whole spec.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The version of the language: 1.
    pub spec: Spanned<u32>,
    /// What the spec shows, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The system to run.
    pub system: Spanned<String>,
    /// `hardened` (the default), or the name of a flaw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<Spanned<String>>,
    /// The system's parameters; `squall describe SYSTEM` lists them.
    #[serde(default)]
    pub params: Spanned<serde_json::Value>,
    /// Sizes of node groups that differ from the system's default.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub topology: IndexMap<Spanned<String>, Spanned<u32>>,
    /// What the network is like when nothing is broken.
    #[serde(default)]
    pub network: Network,
    /// What clients do.
    #[serde(default)]
    pub workload: Workload,
    /// What breaks.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// How long each phase lasts.
    #[serde(default)]
    pub phases: Phases,
    /// What must hold.
    #[serde(default)]
    pub check: Vec<Spanned<Check>>,
    /// What the verdict must be.
    #[serde(default)]
    pub expect: Expect,
    /// How many seeds to run.
    #[serde(default)]
    pub explore: Explore,
}

/// The network without faults.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Every link without an entry in `links`.
    #[serde(default)]
    pub default: LinkSpec,
    /// Links that differ. Later entries win.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub links: IndexMap<Spanned<Link>, LinkSpec>,
}

/// One link's behaviour without faults.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// One-way latency. Default: `500us..2ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Probability that a packet is lost. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Probability>,
    /// Bytes a second. Default: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
}

/// A latency: a duration, a range (uniform), or a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// `5ms`, or `1ms..5ms` drawn per packet.
    Uniform(DurationRange),
    /// `{ exp: { min: 1ms, mean: 8ms } }`: `min` plus an exponential part, so that the whole has that mean.
    Exponential {
        /// The least.
        min: Duration,
        /// The mean of the whole.
        mean: Duration,
    },
}

/// What clients do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// How many clients. Default: 3.
    pub clients: Spanned<u32>,
    /// How many operations in all. Default: 30.
    pub ops: Spanned<u32>,
    /// How many a second in all, from the start of the run. Default: spread evenly over warmup and chaos.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Weights of operations; an operation that is not named is not performed. Default: the system's weights.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub mix: IndexMap<Spanned<String>, u32>,
}

impl Default for Workload {
    fn default() -> Self {
        Workload { clients: 3.into(), ops: 30.into(), rate: None, mix: IndexMap::new() }
    }
}

/// The phases of a run. Faults heal when settle begins.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Phases {
    /// Without faults, at the start. Default: 1s.
    pub warmup: Dur,
    /// With faults. Default: 20s.
    pub chaos: Spanned<Dur>,
    /// Healed, for recovery. Default: 10s.
    pub settle: Spanned<Dur>,
}

impl Default for Phases {
    fn default() -> Self {
        let seconds = |n| Dur(Duration::from_secs(n));
        Phases { warmup: seconds(1), chaos: seconds(20).into(), settle: seconds(10).into() }
    }
}

/// A fault: exactly one kind, exactly one schedule (`at`, `every` or `when`), and how long it lasts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("allOf" = [one_of(&["partition", "delay", "loss", "crash", "pause"]), one_of(&["at", "every", "when"])]))]
pub struct Fault {
    /// Names it in reports and keys its random draws.
    pub id: Spanned<String>,
    /// Cut links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<Spanned<Partition>>,
    /// Slow links down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Spanned<Delay>>,
    /// Lose packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Spanned<Loss>>,
    /// End processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crash: Option<Spanned<Crash>>,
    /// Stop processes for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Spanned<Pause>>,
    /// Strike at this time since the start of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Spanned<DurationRange>>,
    /// Strike again and again, within `between`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Spanned<Every>>,
    /// Strike when a node reports something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Spanned<Trigger>>,
    /// For `every`: the first and the last moment to strike. Default: the chaos phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub between: Option<Spanned<(Dur, Dur)>>,
    /// For `every` and `when`: strike at most this often. Default for `when`: 1.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<Spanned<u32>>,
    /// How long it lasts. Default: until settle begins. A crash lasts until its `restart_after`.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Spanned<DurationRange>>,
}

/// Cut links: exactly one of `isolate`, `split`, `one_way`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = one_of(&["isolate", "split", "one_way"])["oneOf"]))]
pub struct Partition {
    /// Cut these nodes off from all others. (They still reach each other.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolate: Option<Spanned<Target>>,
    /// Cut these groups of nodes off from each other; nodes in none of them keep all links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Vec<Spanned<Target>>>,
    /// Cut only this direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_way: Option<Spanned<Link>>,
    /// What happens to packets. Default: drop.
    #[serde(default)]
    pub mode: PartitionMode,
}

/// What happens to packets at a cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartitionMode {
    /// They vanish; senders retransmit and time out.
    #[default]
    Drop,
    /// Senders are told: refused, reset.
    Reject,
    /// They are kept and delivered after the heal.
    Hold,
}

/// Slow links down.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// Which links.
    pub link: Spanned<Link>,
    /// By how much, drawn once a strike.
    pub by: DurationRange,
    /// Up to how much more, drawn for each packet. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Dur>,
}

/// Lose packets.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Which links.
    pub link: Spanned<Link>,
    /// The share of packets that is lost.
    pub rate: Probability,
}

/// End processes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// Whose.
    pub node: Spanned<Target>,
    /// What the disk keeps. Default: `lose_unsynced`.
    #[serde(default)]
    pub disk: DiskFate,
    /// When it starts again. At least 1ms. Default: when settle begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_after: Option<Spanned<DurationRange>>,
}

/// What a crash leaves on the disk, and so what kind of crash it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiskFate {
    /// Everything: the process died and the machine lives on, so peers see resets.
    Keep,
    /// What was synced: the machine lost power, so peers see silence.
    #[default]
    LoseUnsynced,
    /// What was synced, and torn parts of the rest: the machine lost power.
    Torn,
    /// Nothing: the machine was replaced.
    Wiped,
}

/// Stop processes for a while, as a long garbage collection or a stalled hypervisor does.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Whose.
    pub node: Spanned<Target>,
}

/// How often a repeated fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Every {
    /// `3s`, or `2s..4s` drawn anew each time, from one strike to the next.
    Interval(DurationRange),
    /// `{ poisson: 5s }`: independent strikes with this mean interval.
    Poisson(Duration),
}

/// Strike when a node reports something.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// The event's name.
    pub event: Spanned<String>,
    /// Fields that must have these values.
    #[serde(default, rename = "where", skip_serializing_if = "IndexMap::is_empty")]
    pub fields: IndexMap<Spanned<String>, Scalar>,
    /// Which occurrence, from 1; drawn once a run. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<CountRange>,
    /// How long after it. Default: 0ms, before the node's next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<DurationRange>,
}

/// A plain value in a spec.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// true or false
    Bool(bool),
    /// a whole number
    Int(i64),
    /// any other number
    Float(f64),
    /// text
    Text(String),
}

/// One line of `check:`.
#[derive(Clone, Debug)]
pub enum Check {
    /// An invariant of the system or of the harness, by name.
    Named(String),
    /// `never: EVENTS`: no such event.
    Never(EventPattern),
    /// `eventually: { within, after: heal, that }`: holds by then, and from then on to the end.
    Eventually(Eventually),
    /// `sometimes: [EVENTS, ..]`: each seen in at least one run, over all seeds.
    Sometimes(Vec<EventPattern>),
    /// `count: { event, at_least, at_most }`: so many in each run.
    Count(Count),
    /// `order: { first, then, per }`: every `then` has a `first` before it.
    Order(Order),
}

/// Events by name and fields: `saga.completed`, or `{ event: saga.step_done, where: { step: charge } }`.
#[derive(Clone, Debug)]
pub struct EventPattern {
    /// The event's name.
    pub event: Spanned<String>,
    /// Fields that must have these values.
    pub fields: IndexMap<Spanned<String>, Scalar>,
}

/// Something that must come true, and stay true to the end.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Eventually {
    /// How long it may take.
    pub within: Spanned<Dur>,
    /// From when on. Default: heal.
    #[serde(default)]
    pub after: After,
    /// A condition of the system, by name; or an event that must occur.
    pub that: EventuallyThat,
}

/// What `eventually` waits for.
#[derive(Clone, Debug)]
pub enum EventuallyThat {
    /// A condition of the system, by name.
    Condition(Spanned<String>),
    /// At least one such event at or after the start of the wait: `{ event: NAME, where: {..} }`.
    Event(EventPattern),
}

/// From when on `eventually` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// The last heal, at the latest the start of settle.
    #[default]
    Heal,
    /// The start of the run.
    Start,
}

/// How many such events a run may have.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// The event's name.
    pub event: Spanned<String>,
    /// Fields that must have these values.
    #[serde(default, rename = "where", skip_serializing_if = "IndexMap::is_empty")]
    pub fields: IndexMap<Spanned<String>, Scalar>,
    /// Count apart for each value of this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<Spanned<String>>,
    /// At least so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

/// A precedence: no `then` without an earlier `first`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What must come first.
    pub first: EventPattern,
    /// What may come only then.
    pub then: EventPattern,
    /// Both with the same value of this field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<Spanned<String>>,
}

/// What the verdict must be.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Expect {
    /// Every run passes.
    #[default]
    Pass,
    /// `{ violates: INVARIANT }`: some run violates it, and no run violates anything else.
    Violates(Spanned<String>),
}

/// How to explore.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Explore {
    /// How many seeds. Default: 200.
    #[schemars(range(min = 1))]
    pub seeds: Spanned<u64>,
}

impl Default for Explore {
    fn default() -> Self {
        Explore { seeds: 200.into() }
    }
}

/// In the JSON Schema: exactly one of these entries.
fn one_of(names: &[&str]) -> serde_json::Value {
    let required: Vec<_> = names.iter().map(|name| serde_json::json!({ "required": [name] })).collect();
    serde_json::json!({ "oneOf": required })
}
