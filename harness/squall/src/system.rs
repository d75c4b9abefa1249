//! What a team implements to put a service under test: [`System`].

// Uses: check, confine, history, language, trace.

use std::{borrow::Cow, fmt::Debug, future::Future, sync::Arc};

use proptest::strategy::{BoxedStrategy, Strategy};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

pub use crate::history::EventKind;
use crate::{
    check::{Condition, Invariant},
    history::{Fields, Value},
};

mod any_system;
mod client_driver;
mod facts;
mod membership;
mod observed;
mod registration;
mod registry;

pub(crate) use self::registration::problems_with;
pub use self::{
    any_system::{AnySystem, Sampler},
    client_driver::ClientDriver,
    registration::Problem,
    registry::Registry,
};
pub(crate) use self::{
    facts::{Facts, LawFacts, OperationFacts},
    membership::Membership,
    observed::{Call, Observer, observed},
};

/// Whatever went wrong in a node.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A system under test: a small cluster of nodes, the operations clients perform on it, and what must hold.
///
/// Everything is static: an implementation is a type without values, registered with [`Registry::with`]. A node is rebuilt
/// from its disk and the parameters alone at each start, so nothing in this API lets state leak across a crash.
///
/// What nodes report through `tracing` under the targets of [`System::events`] is the history, and is judged. All else that they log, with
/// `tracing` or the `log` crate, is their [log](crate::log): `squall replay` shows it in its place, the end of it comes with a failure, and nothing
/// depends on it. The arguments of a line are evaluated only where that line is wanted, so they must not do anything. A node
/// puts no subscriber and no logger of its own in place, for then nothing it reports is seen: `tracing_subscriber`'s `try_init` is harmless, its
/// `init` and `set_default` are not.
///
/// Nothing of it is called by `squall` or a test target themselves, but by their [workers](crate::worker), each call within a time limit: one that
/// panics, hangs or ends its process costs the run or the spec that needs it.
pub trait System: Send + Sync + 'static {
    /// `system:` in a spec.
    const NAME: &'static str;
    /// One line for `squall list`.
    const ABOUT: &'static str;
    /// `params:` in a spec. The default is the good implementation; `variant` is applied by [`System::apply_variant`].
    type Params: DeserializeOwned + Serialize + JsonSchema + Default + Clone + Send + Sync + 'static;
    /// One client operation as data, so that it can be planned, printed and shrunk. An enum in serde's default
    /// (externally tagged) form: the variant's name in snake case is the operation's name, its fields are the arguments.
    type Op: Serialize + DeserializeOwned + Clone + Debug + Send + 'static;
    /// What a client keeps between operations: connections, session tokens.
    type Session: Send + 'static;

    /// The node groups and their default sizes. Clients are not among them.
    fn groups(params: &Self::Params) -> Vec<Group>;
    /// The operations, by name, with their strategies and default weights.
    fn operations(params: &Self::Params) -> Operations<Self::Op>;
    /// What nodes report: the tracing events that specs and invariants may name.
    fn events() -> &'static [EventKind];
    /// The invariants that `check:` can name.
    fn invariants(params: &Self::Params) -> Vec<Box<dyn Invariant>>;
    /// The conditions that `eventually: { that: .. }` can name.
    fn conditions(_params: &Self::Params) -> Vec<Box<dyn Condition>> {
        Vec::new()
    }
    /// The flawed variants; each names the invariant it must violate.
    fn flaws() -> &'static [Flaw];
    /// The methods its nodes serve over `squall_rt::rpc`, for faults of single calls. None: specs may name any.
    fn methods() -> &'static [&'static str] {
        &[]
    }
    /// The roles that its nodes report with `role.acquired` and `role.lost`, which `role(NAME)` means. None: specs may name any.
    fn roles() -> &'static [&'static str] {
        &[]
    }
    /// Which network its nodes and clients talk over. What is sent over the other one is out of reach of every fault and of
    /// `network:`, so a run in which anything is cannot be judged.
    fn transport(_params: &Self::Params) -> Transport {
        Transport::Squall
    }
    /// Sets the parameters so that the named flaw is in. `hardened`, the good implementation, never gets here.
    fn apply_variant(params: &mut Self::Params, flaw: &'static str);

    /// The process of one node, at every start. It finds its state on its disk or nowhere.
    fn run_node(node: Node, params: Self::Params) -> impl Future<Output = Result<(), BoxError>> + Send;
    /// A client's start; called on the client's own node.
    fn open_session(client: Node, params: Self::Params) -> impl Future<Output = Self::Session> + Send;
    /// Performs one operation. It must say what it knows: [`Outcome::Unknown`] after a time-out, never
    /// [`Outcome::Failed`].
    fn perform(session: &mut Self::Session, op: Self::Op) -> impl Future<Output = Outcome> + Send;
}

/// The network that a system's nodes talk over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// `squall_rt::net`: every kind of fault acts on it.
    #[default]
    Squall,
    /// madsim's own `NetSim`, over which madsim-tonic, madsim-etcd-client and their like run. It knows partitions that drop,
    /// and one latency and loss for all links; what it does not know is refused when a spec asks for it.
    NetSim,
}

/// A group of like nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name: lower-case letters, digits and dashes, as it becomes a host name.
    pub name: &'static str,
    /// How many nodes it has unless `topology:` says otherwise.
    pub size: u32,
}

/// Flaws of several enums one after another, as what [`System::flaws`] gives: `flaws![FlawedBreaker, FlawedUpstream]`.
#[macro_export]
macro_rules! flaws {
    ($($part:ty),+ $(,)?) => {{
        const PARTS: &[&[$crate::Flaw]] = &[$(<$part as $crate::Flaws>::ALL),+];
        const NONE: $crate::Flaw = $crate::Flaw { name: "", about: "", violates: "" };
        const ALL: [$crate::Flaw; $crate::history::count(PARTS)] = $crate::history::joined(PARTS, NONE);
        &ALL
    }};
}

/// A deliberately flawed variant of the system, which its specs must catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// `variant:` in a spec.
    pub name: &'static str,
    /// What is wrong with it, in a line.
    pub about: &'static str,
    /// The invariant it must violate.
    pub violates: &'static str,
}

/// The flaws of a system, as an enum: what `flaw` in its parameters may be. To be [derived](derive@crate::Flaws).
pub trait Flaws: Sized {
    /// What [`System::flaws`] gives.
    const ALL: &'static [Flaw];

    /// The flaw that `variant:` names, for [`System::apply_variant`]; none if it is not one of these.
    fn named(name: &str) -> Option<Self>;
}

/// What derived operations are drawn with.
#[doc(hidden)]
pub mod drawing {
    pub use proptest::strategy::{Just, Strategy};
}

/// How an operation ended, as far as the client can know.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It took effect, with this result.
    Ok(Fields),
    /// It did not take effect, and never will.
    Failed(Fields),
    /// It may have taken effect, or may still.
    Unknown(Fields),
}

impl Outcome {
    /// Success without a result.
    pub fn ok() -> Self {
        Outcome::Ok(Fields::new())
    }

    /// A definite failure, with its reason.
    pub fn failed(reason: impl std::fmt::Display) -> Self {
        Outcome::Failed(Fields::new().with("reason", reason.to_string()))
    }

    /// An unknown outcome, with its reason.
    pub fn unknown(reason: impl std::fmt::Display) -> Self {
        Outcome::Unknown(Fields::new().with("reason", reason.to_string()))
    }

    /// Adds a field to the result.
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        let (Outcome::Ok(fields) | Outcome::Failed(fields) | Outcome::Unknown(fields)) = &mut self;
        fields.push(name, value);
        self
    }
}

/// Where a process runs and who else is there.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) group: Arc<str>,
    pub(crate) index: u32,
    pub(crate) incarnation: u32,
    pub(crate) cluster: Membership,
}

impl Node {
    /// The node's name in histories, as `payments[1]`.
    pub fn name(&self) -> String {
        node_name(&self.group, self.index)
    }

    /// The group's name; `clients` for a client.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The position in the group, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Which start of the process this is, from 1.
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// The node's own host name.
    pub fn host(&self) -> String {
        host_name(&self.group, self.index)
    }

    /// The host names of a group's members now, in order. Empty if there is no such group. It changes when nodes join or leave
    /// during a run, as what a service registry says does: a node that has to know asks again.
    pub fn hosts(&self, group: &str) -> Vec<String> {
        self.cluster.of(group).into_iter().map(|i| host_name(group, i)).collect()
    }
}

/// The group that clients form.
pub(crate) const CLIENTS: &str = "clients";

/// The host name of a node, as `payments-1`.
pub(crate) fn host_name(group: &str, index: u32) -> String {
    format!("{group}-{index}")
}

/// The name of a node in specs and histories, as `payments[1]`.
pub(crate) fn node_name(group: &str, index: u32) -> String {
    format!("{group}[{index}]")
}

/// The operations of a system, by name.
pub struct Operations<Op> {
    pub(crate) kinds: Vec<OperationKind<Op>>,
}

pub(crate) struct OperationKind<Op> {
    pub(crate) name: &'static str,
    pub(crate) weight: u32,
    pub(crate) fields: &'static [&'static str],
    pub(crate) strategy: BoxedStrategy<Op>,
}

impl<Op: Debug + 'static> Operations<Op> {
    /// None yet.
    pub fn new() -> Self {
        Operations { kinds: Vec::new() }
    }

    /// Adds an operation: its name (the `Op` variant in snake case), its weight unless `workload.mix` says otherwise, and how
    /// to draw one.
    pub fn with(
        mut self,
        name: &'static str,
        weight: u32,
        strategy: impl Strategy<Value = Op> + 'static,
    ) -> Self {
        self.kinds.push(OperationKind { name, weight, fields: &[], strategy: strategy.boxed() });
        self
    }

    /// Says which fields the operation that was added last has: its arguments, and what its results return. Checks that name another
    /// one are then refused before anything runs, and editors offer these. Without it specs may name any.
    pub fn fields(mut self, fields: &'static [&'static str]) -> Self {
        if let Some(last) = self.kinds.last_mut() {
            last.fields = fields;
        }
        self
    }
}

impl<Op: Debug + 'static> Default for Operations<Op> {
    fn default() -> Self {
        Self::new()
    }
}
