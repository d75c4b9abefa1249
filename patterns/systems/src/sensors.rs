//! `sensors`: sensors report readings over UDP to collectors, which keep them on disk and answer reads over RPC; one collector at
//! a time is primary and publishes; clients read, and adjust sensors.
//!
//! ```text
//! clients ── adjust ──► sensors ── readings ──► collectors ── lease ──► keeper
//!    │                        ◄──────── acks ──────     ▲               (redb)
//!    └───────────────────────── latest, history ────────┘
//! ```
//!
//! It is small, and built so that each layer of the simulated world is used: datagrams and streams, files and a database, wall
//! clocks and monotonic time, membership that changes, processes that are asked to end. So every kind of fault has something to
//! bite here, and `specs/sensors` has for each a spec that the good implementation passes, and for nearly each a flawed
//! variant that it catches.
//!
//! | Invariant | What it holds against |
//! |---|---|
//! | `readings_authentic` | what collectors store and clients read is what a sensor measured |
//! | `readings_once_in_order` | a collector stores each sensor's readings once, in order, without gaps |
//! | `readings_durable` | what a collector has acknowledged is there at its next start |
//! | `readings_delivered` | what was measured before the heal is stored by every collector at the end |
//! | `latest_is_newest` | the latest reading that a collector gives is not older than what it had stored by then |
//! | `adjusted_once` | a command takes effect once, as it was asked, and only if its client was not told otherwise |
//! | `one_primary` | nobody publishes under a lease that another has by then |
//! | `answers_in_time` | an operation ends when the client's patience does |
//! | `monotonic_reads` | the harness's, by the number of the newest reading |
//!
//! The condition `all_readings_stored` holds while every collector that is up has what every sensor that is up measured up to a
//! second ago.
//!
//! No pattern stands behind it, so the protocols over datagrams and rpc, the log on the disk, the lease and the laws are all here; it is three times as
//! long as a system with a pattern.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, Condition, EventKind, Flaw, Flaws, Group, Invariant, Node, Operations, Outcome, System,
    spec::model::Dur,
};

mod client;
mod collector;
mod command;
mod flaw;
mod invariants;
mod keeper;
mod lease;
mod log;
mod sensor;
mod store;
mod wire;

pub use self::client::Session;
use self::flaw::FlawKind;

/// The system. See the [module](self).
pub struct Sensors;

/// `params:` of `sensors`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How often each sensor takes a reading.
    pub measure_every: Dur,
    /// How long a lease lasts.
    pub lease: Dur,
    /// How often the primary publishes.
    pub publish_every: Dur,
    /// How long a client waits for one answer.
    pub call_timeout: Dur,
    /// How long a client goes on trying.
    pub op_timeout: Dur,
    /// Set by `variant:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    flaw: Option<FlawKind>,
}

impl Default for Params {
    fn default() -> Self {
        let ms = |ms| Dur(Duration::from_millis(ms));
        Params {
            measure_every: ms(250),
            lease: ms(600),
            publish_every: ms(100),
            call_timeout: ms(300),
            op_timeout: ms(1500),
            flaw: None,
        }
    }
}

impl Params {
    fn is(&self, flaw: FlawKind) -> bool {
        self.flaw == Some(flaw)
    }
}

/// What a client does. Sensors and collectors are given by position, modulo how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Operations)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Read the latest reading of a sensor, at some collector.
    #[operation(weight = 4, returns(read, version, of, readings))]
    Latest {
        /// Whose.
        #[strategy(0..12u32)]
        sensor: u32,
        /// The collector that is asked first.
        #[strategy(0..12u32)]
        collector: u32,
    },
    /// Read the last few readings of a sensor, at some collector.
    #[operation(weight = 2, returns(read, version, of, readings))]
    History {
        /// Whose.
        #[strategy(0..12u32)]
        sensor: u32,
        /// The collector that is asked first.
        #[strategy(0..12u32)]
        collector: u32,
        /// How many.
        #[strategy(2..=6u32)]
        count: u32,
    },
    /// Adjust the offset of a sensor.
    #[operation(weight = 4, returns(offset, of, intent))]
    Adjust {
        /// Which.
        #[strategy(0..12u32)]
        sensor: u32,
        /// By how much.
        #[strategy(1..=99i64)]
        by: i64,
    },
}

impl System for Sensors {
    const NAME: &'static str = "sensors";
    const ABOUT: &'static str =
        "sensors report over UDP to collectors with disks and a primary; every kind of fault bites somewhere";
    type Params = Params;
    type Op = Op;
    type Session = Session;

    fn groups(_: &Params) -> Vec<Group> {
        vec![
            Group { name: "sensors", size: 3 },
            Group { name: "collectors", size: 3 },
            Group { name: "keeper", size: 1 },
        ]
    }

    fn operations(_: &Params) -> Operations<Op> {
        Op::operations()
    }

    fn events() -> &'static [EventKind] {
        EVENTS
    }

    fn invariants(params: &Params) -> Vec<Box<dyn Invariant>> {
        vec![
            Box::<invariants::Authentic>::default(),
            Box::<invariants::OnceInOrder>::default(),
            Box::<invariants::Durable>::default(),
            Box::<invariants::Delivered>::default(),
            Box::<invariants::LatestIsNewest>::default(),
            Box::<invariants::AdjustedOnce>::default(),
            Box::<invariants::OnePrimary>::default(),
            Box::new(invariants::AnswersInTime::new(params)),
        ]
    }

    fn conditions(_: &Params) -> Vec<Box<dyn Condition>> {
        vec![Box::<invariants::AllStored>::default()]
    }

    fn methods() -> &'static [&'static str] {
        &["read", "adjust", "lease"]
    }

    fn roles() -> &'static [&'static str] {
        &["primary"]
    }
    fn flaws() -> &'static [Flaw] {
        FlawKind::ALL
    }

    fn apply_variant(params: &mut Params, flaw: &'static str) {
        params.flaw = FlawKind::named(flaw);
    }

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        match node.group() {
            "sensors" => sensor::run(node, params).await,
            "collectors" => collector::run(node, params).await,
            _ => keeper::run(node, params).await,
        }
    }

    async fn open_session(client: Node, params: Params) -> Session {
        Session::open(client, params)
    }

    async fn perform(session: &mut Session, op: Op) -> Outcome {
        session.perform(op).await
    }
}

const EVENTS: &[EventKind] = &[
    EventKind::new(
        "effect.measured",
        &["sensor", "seq", "value"],
        "a sensor took a reading and has it on its disk",
    ),
    EventKind::new(
        "effect.uncertain",
        &["sensor", "seq", "value"],
        "a reading could not be written, and may be on the sensor's disk all the same when it starts again",
    ),
    EventKind::new("sensor.skipped", &["seq"], "a sensor could not take a reading, as its disk is full"),
    EventKind::new(
        "sensor.rewound",
        &["collector", "from", "to"],
        "a collector has less than the sensor thought",
    ),
    EventKind::new("sensor.forged", &[], "an acknowledgement or a command was not what had been sealed"),
    EventKind::new("sensor.commanded", &["request", "intent"], "a command came, for the first time or again"),
    EventKind::new("sensor.repeated", &["request", "intent"], "a command came that was executed before"),
    EventKind::new(
        "effect.adjusted",
        &["sensor", "request", "intent", "by", "offset"],
        "a command took effect, durably",
    ),
    EventKind::new(
        "effect.adjustment_uncertain",
        &["sensor", "request", "intent", "by", "offset"],
        "a command could not be written, and may have taken effect all the same when the sensor starts again",
    ),
    EventKind::new(
        "collector.opened",
        &["sensor", "next"],
        "a collector starts, and this is what it has of a sensor",
    ),
    EventKind::new("collector.dropped", &["bytes"], "the end of a log was not whole, and is gone"),
    EventKind::new("collector.forged", &[], "a reading or a request was not what had been sealed"),
    EventKind::new("collector.repeated", &["sensor", "seq"], "a reading came that is stored already"),
    EventKind::new("collector.refused", &["sensor", "seq"], "a reading was not taken, as the disk is full"),
    EventKind::new(
        "effect.stored",
        &["sensor", "seq", "value"],
        "a collector says that it has a reading on its disk",
    ),
    EventKind::new("effect.granted", &["epoch", "collector"], "the keeper made a collector primary"),
    EventKind::new("role.acquired", &["role", "epoch"], "a collector is primary now"),
    EventKind::new("role.lost", &["role", "epoch"], "a collector is not primary any more"),
    EventKind::new("effect.published", &["epoch"], "a collector published as primary"),
];
