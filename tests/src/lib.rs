//! What the tests of the program run: a [system](Gremlin) that does to its process whatever it is told to.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, Condition, EventKind, Fields, Flaw, Group, Invariant, Node, Operations, Outcome, Record,
    Registry, System, check::Breach,
};
use squall_rt::rng;

/// The service and its system in `harness/README.md` are compiled and run as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../harness/README.md")]
struct Embedding;

mod astray;
mod imp;
mod leaks;
mod process;
mod trick;

pub use self::trick::Trick;

pub use self::imp::{ENDLESS, IMP};
use self::{astray::Astray, imp::Imp, leaks::Leaky};

/// The systems of these tests.
pub fn registry() -> Registry {
    Registry::new().with::<Gremlin>().with::<Leaky>().with::<Astray>().with::<Imp>()
}

/// Nodes that beat ten times a second, and in one run of some do a [`Deed`]. What they report depends on all that ordinary code leaves to
/// chance: the order of hash maps, the branches of `select!`, the wall clock, the scheduler.
pub struct Gremlin;

/// See [`Gremlin`].
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What the first node does on its fifth beat.
    pub does: Deed,
    /// What it does instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plays: Option<Trick>,
    /// It does so in one run of this many; 0 stands for every run.
    pub one_in: u64,
    /// What it says with it, if it says anything.
    pub says: String,
}

/// What may be done to a process, or leak into a run.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Nothing.
    #[default]
    Nothing,
    /// Loop for ever, outside of any await.
    Hang,
    /// Abort the process.
    Abort,
    /// Overflow the stack.
    Overflow,
    /// Exit with code 0, as if all were well.
    Exit,
    /// Exit with the code that a panic of `main` has, not at once.
    Exit101,
    /// Panic.
    Panic,
    /// Break the invariant `no_gremlin`.
    Strike,
    /// Print what looks like the harness's own protocol, and half a line more, and read standard input.
    Print,
    /// Report a number that counts up for as long as the process lives.
    Count,
    /// Report the number of the process.
    Pid,
    /// Take memory as fast as it comes, for ever.
    Hoard,
    /// Take memory bit by bit, for ever.
    Grow,
    /// Ask for more memory at once than there is.
    Demand,
    /// Keep 100 MB when the run is over.
    Leak,
    /// Report for ever, outside of any await.
    Chatter,
    /// Print many megabytes of anything.
    Flood,
    /// Close the standard streams.
    CloseStreams,
    /// Close every descriptor but the standard streams.
    CloseOthers,
    /// Close every descriptor.
    CloseAll,
    /// Write to every descriptor.
    Scribble,
    /// Kill the process by a signal that no mistake of its own brings about.
    Kill,
    /// Kill the process by a signal that a mistake of its own might bring about.
    KillAsAFault,
    /// Start a process that lives on.
    Fork,
    /// Start a process that lives on, and abort.
    ForkAndAbort,
    /// Go on as two processes.
    ForkAndGoOn,
    /// Break the invariant `no_gremlin` and say something.
    Hiss,
    /// Panic and say something.
    Shriek,
}

/// A client's operation.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Wait a little.
    Nap {
        /// How long.
        ms: u64,
    },
}

const EVENTS: &[EventKind] = &[
    EventKind { name: "gremlin.beat", fields: &["n", "picked", "chose", "second"], about: "a node is alive" },
    EventKind { name: "gremlin.struck", fields: &["beat"], about: "a node did what it must not" },
    EventKind { name: "gremlin.leaked", fields: &["number"], about: "something from outside of the run" },
];

/// No gremlin strikes.
#[derive(Default)]
struct NoGremlin {
    beats: u64,
    last_beat: Option<u64>,
}

impl Invariant for NoGremlin {
    fn name(&self) -> &str {
        "no_gremlin"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match record.event() {
            Some(("gremlin.beat", _)) => {
                self.beats = self.beats.saturating_add(1);
                self.last_beat = Some(record.seq);
                Ok(())
            }
            Some(("gremlin.struck", fields)) => {
                assert_ne!(fields.int("beat"), Some(-1), "the invariant panics");
                if fields.int("beat") == Some(-2) {
                    tracing::info!(target: "gremlin", number = 1, "leaked");
                    return Ok(());
                }
                if fields.int("beat") == Some(-3) {
                    self.beats = u64::MAX;
                    return Ok(());
                }
                Err(Breach::new("strike", format!("a gremlin struck: {fields}"))
                    .with_evidence(self.last_beat))
            }
            _ => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.beats
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        EVENTS
    }
}

/// No gremlin has struck.
struct Quiet {
    struck: bool,
    panics: bool,
}

impl Condition for Quiet {
    fn name(&self) -> &str {
        "quiet"
    }
    fn observe(&mut self, record: &Record) {
        assert!(!self.panics || record.seq < 5, "the condition panics");
        // What has a beat below zero is a word to the invariant.
        let struck = |fields: &Fields| fields.int("beat").is_none_or(|beat| beat >= 0);
        self.struck |=
            record.event().is_some_and(|(name, fields)| name == "gremlin.struck" && struck(fields));
    }
    fn holds(&self) -> bool {
        !self.struck
    }
    fn because(&self) -> String {
        "a gremlin has struck".to_owned()
    }
    fn vocabulary(&self) -> &'static [EventKind] {
        EVENTS
    }
}

impl System for Gremlin {
    const NAME: &'static str = "gremlin";
    const ABOUT: &'static str = "Nodes that beat, one of which may harm its process";
    type Params = Params;
    type Op = Op;
    type Session = ();

    fn groups(_params: &Params) -> Vec<Group> {
        vec![Group { name: "nodes", size: 2 }]
    }

    fn operations(params: &Params) -> Operations<Op> {
        let panics = params.plays == Some(Trick::StrategyPanics);
        let nap = move |ms| {
            assert!(!panics, "the strategy panics");
            Op::Nap { ms }
        };
        Operations::new().with("nap", 1, (1..50u64).prop_map(nap))
    }

    fn events() -> &'static [EventKind] {
        EVENTS
    }

    fn invariants(_params: &Params) -> Vec<Box<dyn Invariant>> {
        vec![Box::new(NoGremlin::default())]
    }

    fn conditions(params: &Params) -> Vec<Box<dyn Condition>> {
        vec![Box::new(Quiet { struck: false, panics: params.plays == Some(Trick::ConditionPanics) })]
    }

    fn flaws() -> &'static [Flaw] {
        &[Flaw { name: "haunted", about: "a gremlin strikes in one run of five", violates: "no_gremlin" }]
    }

    fn apply_variant(params: &mut Params, _flaw: &'static str) {
        *params = Params { does: Deed::Strike, one_in: 5, ..Params::default() };
    }

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        for n in 1.. {
            squall_rt::time::sleep(Duration::from_millis(100)).await;
            beat(n).await;
            if n == 5 && node.index() == 0 && (params.one_in == 0 || rng::range(0..params.one_in) == 0) {
                act(params.does, &params.says);
                if let Some(trick) = params.plays {
                    trick::play(trick).await?;
                }
            }
        }
        Ok(())
    }

    async fn open_session(_client: Node, _params: Params) {}

    async fn perform(_session: &mut (), op: Op) -> Outcome {
        let Op::Nap { ms } = op;
        squall_rt::time::sleep(Duration::from_millis(ms)).await;
        Outcome::Ok(Fields::new().with("slept", ms))
    }
}

async fn beat(n: u64) {
    let hashed: HashMap<u64, u64> = (0..20).map(|key| (key, key)).collect();
    let picked = hashed.keys().next().copied().unwrap_or_default();
    let other = squall_rt::task::spawn(async { 1 });
    let chose = tokio::select! {
        () = std::future::ready(()) => 0,
        Ok(one) = other => one,
        () = squall_rt::task::yield_now() => 2,
    };
    let second =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
    tracing::info!(target: "gremlin", n, picked, chose, second, "beat");
}

pub(crate) fn act(deed: Deed, says: &str) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    match deed {
        Deed::Nothing => {}
        Deed::Hang => loop {
            std::hint::spin_loop();
        },
        Deed::Abort => {
            eprintln!("the gremlin aborts");
            std::process::abort()
        }
        Deed::Overflow => {
            std::hint::black_box(dig(1));
        }
        Deed::Exit => std::process::exit(0),
        Deed::Exit101 => process::exit_slowly(101),
        Deed::Panic => panic!("the gremlin panics"),
        Deed::Strike => tracing::info!(target: "gremlin", beat = 5, "struck"),
        Deed::Print => {
            println!("{{\"start\":4711}}");
            println!("{{\"done\":{{\"seed\":4711}}}}");
            print!("half a line");
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line);
            tracing::info!(target: "gremlin", number = read.map_or(-1, |n| n as i64), "leaked");
        }
        Deed::Count => {
            tracing::info!(target: "gremlin", number = COUNT.fetch_add(1, Ordering::Relaxed), "leaked");
        }
        Deed::Hoard => process::hoard(64 << 20, 0),
        Deed::Grow => process::hoard(1 << 20, 20_000),
        Deed::Demand => {
            std::hint::black_box(vec![1u8; 1 << 45]);
        }
        Deed::Leak => process::leak(100 << 20),
        Deed::Chatter => loop {
            tracing::info!(target: "gremlin", number = 1, "leaked");
        },
        Deed::Flood => process::flood(),
        Deed::CloseStreams => process::close_streams(),
        Deed::CloseOthers => process::close_others(),
        Deed::CloseAll => process::close_all(),
        Deed::Scribble => process::scribble(),
        Deed::Kill => process::kill(libc::SIGKILL),
        Deed::KillAsAFault => process::kill(libc::SIGSEGV),
        Deed::Fork => process::fork(),
        Deed::ForkAndAbort => {
            process::fork();
            std::process::abort()
        }
        Deed::ForkAndGoOn => process::fork_and_go_on(),
        Deed::Hiss => {
            eprintln!("{says}");
            tracing::info!(target: "gremlin", beat = says, "struck");
        }
        Deed::Shriek => panic!("{says}"),
        Deed::Pid => tracing::info!(target: "gremlin", number = std::process::id(), "leaked"),
    }
}

/// Recurses until the stack is gone, in a way that no optimiser turns into a loop.
fn dig(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { dig(depth + 1) + here[(depth % 64) as usize] }
}
