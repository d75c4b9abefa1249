//! Systems of which each call is told to an observer before it is made: what becomes of the process then can be put down to it.

use std::sync::Arc;

use proptest::{strategy::ValueTree, test_runner::TestRunner};
use serde::{Deserialize, Serialize};
use serde_json::{Error, Value};

use super::{
    AnySystem, BoxError, ClientDriver, EventKind, Flaw, Group, Node, Registry, Sampler, Transport,
    any_system::BoxFuture,
};
use crate::{
    check::{Condition, Invariant},
    language::{Diagnostic, Tree},
};

/// A call of a system's code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// The system's name.
    pub system: String,
    /// Which code of it, as the subject of a sentence: "`groups`", "the strategy of operation `put`".
    pub part: String,
}

impl Call {
    /// Of the strategy of an operation.
    pub(crate) fn of_strategy(system: &str, operation: &str) -> Self {
        Call { system: system.to_owned(), part: format!("the strategy of operation `{operation}`") }
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of the system `{}`", self.part, self.system)
    }
}

/// Who is told of calls.
pub(crate) type Observer = Arc<dyn Fn(Call) + Send + Sync>;

/// The same systems, with an observer.
pub(crate) fn observed(registry: &Registry, observer: &Observer) -> Registry {
    registry.mapped(|inner| Arc::new(Observed { inner: inner.clone(), observer: observer.clone() }))
}

struct Observed {
    inner: Arc<dyn AnySystem>,
    observer: Observer,
}

impl Observed {
    fn tell(&self, part: &str) {
        (self.observer)(Call { system: self.inner.name().to_owned(), part: part.to_owned() });
    }

    /// Reading or writing the parameters.
    fn tell_params(&self) {
        self.tell("`Params` (its Default, Deserialize and Serialize)");
    }
}

impl AnySystem for Observed {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn about(&self) -> &'static str {
        self.inner.about()
    }
    fn complete_params(&self, params: &Value) -> Result<Value, Error> {
        self.tell_params();
        self.inner.complete_params(params)
    }
    fn read_params(&self, params: &mut Tree) -> (Value, Vec<Diagnostic>) {
        self.tell_params();
        self.inner.read_params(params)
    }
    fn params_schema(&self) -> schemars::Schema {
        self.tell("`Params` (its JsonSchema)");
        self.inner.params_schema()
    }
    fn groups(&self, params: &Value) -> Vec<Group> {
        self.tell("`groups`");
        self.inner.groups(params)
    }
    fn operations(&self, params: &Value) -> Vec<(&'static str, u32)> {
        self.tell("`operations`");
        self.inner.operations(params)
    }
    fn operation_fields(&self, params: &Value) -> Vec<(&'static str, &'static [&'static str])> {
        self.tell("`operations`");
        self.inner.operation_fields(params)
    }
    fn check_operation(&self, operation: &Value) -> Result<(), Error> {
        self.tell("`Op` (its Deserialize)");
        self.inner.check_operation(operation)
    }
    fn reread_operation(&self, operation: &Value) -> Result<Value, Error> {
        self.tell("`Op` (its Deserialize and Serialize)");
        self.inner.reread_operation(operation)
    }
    fn events(&self) -> &'static [EventKind] {
        self.tell("`events`");
        self.inner.events()
    }
    fn invariants(&self, params: &Value) -> Vec<String> {
        self.tell("`invariants`");
        self.inner.invariants(params)
    }
    fn vocabulary(&self, params: &Value) -> Vec<(String, &'static [EventKind])> {
        self.tell("`invariants`");
        self.inner.vocabulary(params)
    }
    fn conditions(&self, params: &Value) -> Vec<String> {
        self.tell("`conditions`");
        self.inner.conditions(params)
    }
    fn condition_vocabulary(&self, params: &Value) -> Vec<(String, &'static [EventKind])> {
        self.tell("`conditions`");
        self.inner.condition_vocabulary(params)
    }
    fn methods(&self) -> &'static [&'static str] {
        self.tell("`methods`");
        self.inner.methods()
    }
    fn roles(&self) -> &'static [&'static str] {
        self.tell("`roles`");
        self.inner.roles()
    }
    fn transport(&self, params: &Value) -> Transport {
        self.tell("`transport`");
        self.inner.transport(params)
    }
    fn flaws(&self) -> &'static [Flaw] {
        self.tell("`flaws`");
        self.inner.flaws()
    }
    fn with_flaw(&self, params: &Value, flaw: &'static str) -> Value {
        self.tell("`apply_variant`");
        self.inner.with_flaw(params, flaw)
    }
    fn build_invariants(&self, params: &Value) -> Vec<Box<dyn Invariant>> {
        self.tell("`invariants`");
        self.inner.build_invariants(params)
    }
    fn build_conditions(&self, params: &Value) -> Vec<Box<dyn Condition>> {
        self.tell("`conditions`");
        self.inner.build_conditions(params)
    }
    fn sampler(&self, params: &Value) -> Box<dyn Sampler> {
        self.tell("`operations`");
        let system = self.inner.name();
        let operations = self.inner.operations(params).into_iter();
        let calls = operations.map(|(name, _)| Call::of_strategy(system, name)).collect();
        Box::new(ObservedSampler {
            inner: self.inner.sampler(params),
            calls,
            observer: self.observer.clone(),
        })
    }
    fn run_node(&self, node: Node, params: &Value) -> BoxFuture<Result<(), BoxError>> {
        self.tell("`run_node`");
        self.inner.run_node(node, params)
    }
    fn run_client(&self, node: Node, params: &Value, driver: Box<dyn ClientDriver>) -> BoxFuture<()> {
        self.tell("`open_session`");
        self.inner.run_client(node, params, driver)
    }
}

struct ObservedSampler {
    inner: Box<dyn Sampler>,
    /// Of each operation.
    calls: Vec<Call>,
    observer: Observer,
}

impl Sampler for ObservedSampler {
    fn draw(&self, kind: usize, runner: &mut TestRunner) -> Box<dyn ValueTree<Value = Value>> {
        let call = self.calls[kind].clone();
        (self.observer)(call.clone());
        let inner = self.inner.draw(kind, runner);
        Box::new(ObservedTree { inner, call, observer: self.observer.clone() })
    }
}

struct ObservedTree {
    inner: Box<dyn ValueTree<Value = Value>>,
    call: Call,
    observer: Observer,
}

impl ValueTree for ObservedTree {
    type Value = Value;

    fn current(&self) -> Value {
        (self.observer)(self.call.clone());
        self.inner.current()
    }
    fn simplify(&mut self) -> bool {
        (self.observer)(self.call.clone());
        self.inner.simplify()
    }
    fn complicate(&mut self) -> bool {
        (self.observer)(self.call.clone());
        self.inner.complicate()
    }
}
