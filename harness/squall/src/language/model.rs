//! The types of what stands in a spec, version 1, but for faults and the whole. What is written here is the language: serde reads it and
//! the JSON Schema is made from it.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod specific;

pub(crate) use self::specific::OPTIONS;
pub use self::specific::{Consistent, ConsistentOf, FieldNames, Meaning, Specific, SpecificOf};
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

impl DurationRange {
    /// This duration and no other.
    pub fn exactly(duration: Duration) -> Self {
        DurationRange { min: duration, max: duration }
    }
}

/// A count that is drawn anew for each seed: `2`, or `1..3`, uniform with both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountRange {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

impl CountRange {
    /// This count and no other.
    pub fn exactly(count: u64) -> Self {
        CountRange { min: count, max: count }
    }
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

/// An amount of data: `64KiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// In bytes.
    pub bytes: u64,
}

/// How far a clock is off, drawn anew for each seed: `300ms` ahead, `-2s` behind, or `-2s..2s`, uniform with both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The least, in nanoseconds.
    pub min: i64,
    /// The most, in nanoseconds.
    pub max: i64,
}

/// How much faster than true time a clock runs, drawn anew for each seed: `200ppm`, `-5%`, or `-5%..5%`, uniform.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriftRate {
    /// The least, in parts per million.
    pub min_ppm: f64,
    /// The most, in parts per million.
    pub max_ppm: f64,
}

/// How packets are lost: `0.1%`, each by itself, or `{ burst: { rate: 0.1%, length: 8 } }`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Losses {
    /// Each packet with this probability, whatever became of the one before.
    Independent(Probability),
    /// In bursts (the model of Gilbert and Elliott): losses come one after another.
    Burst {
        /// The share of all packets that is lost, in the long run.
        rate: Probability,
        /// How many packets a burst loses, on average.
        length: f64,
    },
}

/// A set of nodes, resolved when the fault fires: `payments`, `payments[1]`, `one(orders)`, `some(orders)`,
/// `minority(orders)`, `majority(orders)`, `all(orders)`, `role(leader)`, `zone(east)`, `clients`, `rest`, `all`.
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
    /// The nodes of a zone of `network.zones`.
    Zone(String),
    /// Every node that the fault names nowhere else.
    Rest,
    /// Every node, clients included: `all`.
    Everyone,
}

impl Target {
    /// The role that it means or chooses from.
    pub(crate) fn role(&self) -> Option<&str> {
        match self {
            Target::Role(role) => Some(role),
            Target::One(inner) | Target::Some(inner) | Target::Minority(inner) | Target::Majority(inner) => {
                inner.role()
            }
            Target::Group(_) | Target::Member(..) | Target::Zone(_) | Target::Rest | Target::Everyone => None,
        }
    }
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

/// The network without faults.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Every link without an entry in `links`.
    #[serde(default)]
    pub default: LinkSpec,
    /// Zones, as data centres or racks: `zone(NAME)` is a target like any other.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub zones: IndexMap<Spanned<String>, Zone>,
    /// Links between nodes of different zones, over the default.
    #[serde(default, skip_serializing_if = "LinkSpec::is_default")]
    pub between_zones: LinkSpec,
    /// Links that differ from all that. Later entries win.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub links: IndexMap<Spanned<Link>, LinkSpec>,
}

/// Nodes that are near each other.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Groups and single nodes. A node is in one zone at most.
    pub nodes: Vec<Spanned<Target>>,
    /// Links between nodes of the zone, over the default.
    #[serde(default, skip_serializing_if = "LinkSpec::is_default")]
    pub within: LinkSpec,
}

/// One link's behaviour without faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// One-way latency. Default: `500us..2ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Up to how much longer a packet takes, drawn for each. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Dur>,
    /// How packets are lost. Default: 0%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Losses>,
    /// Probability that a packet arrives twice. Default: 0%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<Probability>,
    /// Bytes a second; packets queue behind each other. Default: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// What waits for a link with a bandwidth, at most; beyond it packets are dropped. Default: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Size>,
    /// The longest packet, in bytes; longer datagrams travel in fragments, of which one lost loses all. Default: 1500.
    #[schemars(range(min = 68, max = 65535))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Spanned<u32>>,
}

impl LinkSpec {
    fn is_default(&self) -> bool {
        *self == LinkSpec::default()
    }
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
    /// `{ normal: { mean: 5ms, deviation: 1ms } }`: the bell curve, cut off at zero.
    Normal {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// `{ pareto: { min: 1ms, shape: 1.5 } }`: mostly near `min`, now and then very far from it.
    Pareto {
        /// The least.
        min: Duration,
        /// The smaller, the heavier the tail; more than 1.
        shape: f64,
    },
    /// `{ bimodal: { fast: 1ms..2ms, slow: 50ms..80ms, share: 1% } }`: most packets fast, some slow.
    Bimodal {
        /// Most packets.
        fast: DurationRange,
        /// The others.
        slow: DurationRange,
        /// The share of the others.
        share: Probability,
    },
}

/// One client operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedOperation {
    /// Which client performs it, from 0.
    pub client: u32,
    /// Not before this time; later if the client's previous operation is still open.
    pub at: Dur,
    /// The operation as the system's `Op`.
    pub op: serde_json::Value,
}

impl PlannedOperation {
    /// The operation's name: the variant of the system's `Op`.
    pub fn name(&self) -> &str {
        match &self.op {
            serde_json::Value::String(name) => name,
            serde_json::Value::Object(map) => map.keys().next().map_or("", String::as_str),
            _ => "",
        }
    }
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

impl Workload {
    /// The weight of an operation; `default` is the system's.
    pub(crate) fn weight(&self, operation: &str, default: u32) -> u32 {
        if self.mix.is_empty() {
            return default;
        }
        self.mix.iter().find(|(name, _)| name.value == operation).map_or(0, |(_, weight)| *weight)
    }
}

/// The phases of a run. Faults heal when settle begins, as `heal` says.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Phases {
    /// Without scheduled faults, at the start. (A fault with `when` strikes whenever its event comes.) Default: 1s.
    pub warmup: Dur,
    /// With faults. Default: 20s.
    pub chaos: Spanned<Dur>,
    /// Healed, for recovery. Default: 10s.
    pub settle: Spanned<Dur>,
    /// What heals when settle begins. Default: all.
    pub heal: Spanned<Heal>,
}

/// What heals when settle begins: `all`, or `{ core: random_quorum }`, or `{ core: [TARGETS] }`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Heal {
    /// Everything.
    #[default]
    All,
    /// Every node and link within a drawn majority of each group and all clients; the rest stays broken to the end of the run.
    RandomQuorum,
    /// Every node and link within these nodes; the rest stays broken to the end of the run.
    Core(Vec<Spanned<Target>>),
}

/// What a panic in a task is that a process has spawned: a `finding` (the default), or nothing of note, as in production: whoever awaits the
/// task gets an error, and all other tasks `continue`. In the first task of a process it is a finding in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Panics {
    /// It fails the run.
    #[default]
    Finding,
    /// It is an error of whoever awaits the task.
    Continue,
}

impl Panics {
    pub(crate) fn is_default(&self) -> bool {
        *self == Panics::default()
    }
}

/// How much may be broken at once. A strike that would break more is left out, and the history says so.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How many nodes of a group may be down at once (crashed, restarting, gone, paused): `1` for each group but the clients, or
    /// `{ orders: 1 }`. Default: unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_down: Option<MaxDown>,
    /// How many faults may be active at once. Default: unlimited.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<Spanned<u32>>,
}

/// How many nodes may be down at once.
#[derive(Clone, Debug, PartialEq)]
pub enum MaxDown {
    /// Of each group but the clients.
    Each(u32),
    /// Of these groups.
    Groups(IndexMap<Spanned<String>, u32>),
}

impl Default for Phases {
    fn default() -> Self {
        let seconds = |n| Dur(Duration::from_secs(n));
        Phases {
            warmup: seconds(1),
            chaos: seconds(20).into(),
            settle: seconds(10).into(),
            heal: Heal::All.into(),
        }
    }
}

/// How often a repeated fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Every {
    /// `3s`, or `2s..4s` drawn anew each time, from one strike to the next.
    Interval(DurationRange),
    /// `{ poisson: 5s }`: independent strikes with this mean interval.
    Poisson(Duration),
}

/// Strike when a node reports something, or sends, calls or syncs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// The event's name: one of the system's; or `net.sent` (with `from`, `to`, `kind`), `rpc.called`, `rpc.arrived`, `rpc.replied` (with
    /// `from`, `to`, `method`), `disk.sync`, `disk.synced` (with `node`).
    pub event: Spanned<String>,
    /// Fields that must have these values. Nodes are written as `orders[0]`.
    #[serde(default, rename = "where", skip_serializing_if = "IndexMap::is_empty")]
    pub fields: IndexMap<Spanned<String>, Scalar>,
    /// Which occurrence, from 1; drawn once a run. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<CountRange>,
    /// How long after it. Default: 0ms, before the node's next step: before the packet leaves, the handler runs, the reply leaves, the
    /// sync begins.
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
    /// `saga_atomicity: { events: { saga.step_done: my.step_ok } }`: an invariant of the system, over events that are called otherwise.
    Mapped(Mapped),
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
    /// `linearizable: { model, .. }`, `causal: {}` and so on: what clients saw is what is promised.
    Consistent(Consistent),
    /// `unique_ids: { ops: { take: give } }` and so on: one property of what clients saw or nodes report.
    Specific(Specific),
}

/// An invariant or a condition with what its events are called here.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// Its name.
    pub name: String,
    /// What is called otherwise.
    pub of: MappedOf,
}

/// What of the events that an invariant or a condition reads is called otherwise.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MappedOf {
    /// By the name that it has for an event: what nodes report.
    #[schemars(extend("minProperties" = 1))]
    pub events: IndexMap<Spanned<String>, OwnEvent>,
}

/// An event as nodes report it: `my.step_ok`, or `{ event: my.step_ok, fields: { step: what } }`.
#[derive(Clone, Debug)]
pub struct OwnEvent {
    /// Its name.
    pub event: Spanned<String>,
    /// By the name that the invariant or the condition has for a field: the field that it is.
    pub fields: IndexMap<Spanned<String>, Spanned<String>>,
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
    /// A condition of the system, by name, with what its events are called if they are called otherwise; or an event that must occur.
    pub that: EventuallyThat,
}

/// What `eventually` waits for.
#[derive(Clone, Debug)]
pub enum EventuallyThat {
    /// A condition of the system, by name.
    Condition(Spanned<String>),
    /// `{ NAME: { events: { saga.started: my.begun } } }`: a condition of the system, over events that are called otherwise.
    Mapped(Mapped),
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
#[schemars(extend("anyOf" = [{ "required": ["at_least"] }, { "required": ["at_most"] }]))]
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
    /// How many runs; the first seed is 0. Default: 200.
    #[schemars(range(min = 1))]
    pub seeds: Spanned<u64>,
    /// What runs to make of them. Several take turns. Default: random.
    pub strategy: Strategies,
}

impl Default for Explore {
    fn default() -> Self {
        Explore { seeds: 200.into(), strategy: Strategies::default() }
    }
}

/// What runs to make of a spec's seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// What the spec draws for each seed.
    #[default]
    Random,
    /// Each run leaves out some faults and operations, and has others more or less often.
    Swarm,
    /// Every single fault at every point of a run without faults; then pairs.
    Sweep,
    /// A few delays and pauses at random points of the spec's own run, with a bound on the chance to miss.
    Pct,
    /// Plans that reached something new are changed further.
    Guided,
}

/// One strategy, or several that take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategies(pub Vec<Spanned<Strategy>>);
