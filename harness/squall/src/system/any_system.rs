//! A system without its type.

use std::{future::Future, marker::PhantomData, pin::Pin};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use super::{BoxError, ClientDriver, EventKind, Flaw, Group, Node, Operations, System, Transport};
use crate::{
    check::{Condition, Invariant},
    confine::as_part,
    language::{self, Diagnostic, Tree},
};

/// A boxed future of code under test.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A system without its type. Parameters travel as JSON, checked and with defaults filled in.
pub trait AnySystem: Send + Sync {
    /// See [`System::NAME`].
    fn name(&self) -> &'static str;
    /// See [`System::ABOUT`].
    fn about(&self) -> &'static str;
    /// Checks parameters and fills in the defaults; null stands for none given.
    ///
    /// # Errors
    /// What serde says of the first wrong one.
    fn complete_params(&self, params: &serde_json::Value) -> Result<serde_json::Value, serde_json::Error>;
    /// Reads `params:` of a spec: the parameters with defaults filled in, and what is wrong with them.
    fn read_params(&self, params: &mut Tree) -> (serde_json::Value, Vec<Diagnostic>);
    /// The JSON Schema of the parameters.
    fn params_schema(&self) -> schemars::Schema;
    /// See [`System::groups`].
    fn groups(&self, params: &serde_json::Value) -> Vec<Group>;
    /// The names of the operations, with their default weights.
    fn operations(&self, params: &serde_json::Value) -> Vec<(&'static str, u32)>;
    /// The names of the operations, with the [fields](Operations::fields) that they say to have; none where one does not say.
    fn operation_fields(&self, params: &serde_json::Value) -> Vec<(&'static str, &'static [&'static str])>;
    /// Checks that this is an operation of the system, as data.
    ///
    /// # Errors
    /// What serde says of it.
    fn check_operation(&self, operation: &serde_json::Value) -> Result<(), serde_json::Error>;
    /// An operation as it serialises again after it was read.
    ///
    /// # Errors
    /// What serde says of it.
    fn reread_operation(&self, operation: &serde_json::Value)
    -> Result<serde_json::Value, serde_json::Error>;
    /// See [`System::events`].
    fn events(&self) -> &'static [EventKind];
    /// The names of the invariants.
    fn invariants(&self, params: &serde_json::Value) -> Vec<String>;
    /// The [vocabulary](Invariant::vocabulary) of each invariant, by its name.
    fn vocabulary(&self, params: &serde_json::Value) -> Vec<(String, &'static [EventKind])>;
    /// The names of the conditions.
    fn conditions(&self, params: &serde_json::Value) -> Vec<String>;
    /// The [vocabulary](Condition::vocabulary) of each condition, by its name.
    fn condition_vocabulary(&self, params: &serde_json::Value) -> Vec<(String, &'static [EventKind])>;
    /// See [`System::methods`].
    fn methods(&self) -> &'static [&'static str];
    /// See [`System::roles`].
    fn roles(&self) -> &'static [&'static str];
    /// See [`System::transport`].
    fn transport(&self, params: &serde_json::Value) -> Transport;
    /// See [`System::flaws`].
    fn flaws(&self) -> &'static [Flaw];
    /// The parameters with the named flaw in.
    fn with_flaw(&self, params: &serde_json::Value, flaw: &'static str) -> serde_json::Value;
    /// The invariants, fresh for one run.
    fn build_invariants(&self, params: &serde_json::Value) -> Vec<Box<dyn Invariant>>;
    /// The conditions, fresh for one run.
    fn build_conditions(&self, params: &serde_json::Value) -> Vec<Box<dyn Condition>>;
    /// Draws operations.
    fn sampler(&self, params: &serde_json::Value) -> Box<dyn Sampler>;
    /// The process of one node.
    fn run_node(&self, node: Node, params: &serde_json::Value) -> BoxFuture<Result<(), BoxError>>;
    /// The process of one client: it performs what `driver` hands out.
    fn run_client(
        &self,
        node: Node,
        params: &serde_json::Value,
        driver: Box<dyn ClientDriver>,
    ) -> BoxFuture<()>;
}

/// Draws operations of a system as data.
pub trait Sampler {
    /// Draws one of the given kind, by position in [`AnySystem::operations`].
    fn draw(&self, kind: usize, runner: &mut TestRunner) -> Box<dyn ValueTree<Value = serde_json::Value>>;
}

impl<Op: serde::Serialize + std::fmt::Debug + 'static> Sampler for Operations<Op> {
    fn draw(&self, kind: usize, runner: &mut TestRunner) -> Box<dyn ValueTree<Value = serde_json::Value>> {
        let kind = &self.kinds[kind];
        let tree = as_part(runner, |_| strategy_of(kind.name), |runner| kind.strategy.new_tree(runner))
            .unwrap_or_else(|reason| panic!("the strategy of operation `{}` gives up: {reason}", kind.name));
        Box::new(AsData { tree, operation: kind.name })
    }
}

/// How a strategy is named that panics.
fn strategy_of(operation: &str) -> String {
    format!("the strategy of operation `{operation}`")
}

/// A value of a strategy as data.
struct AsData<T> {
    tree: T,
    operation: &'static str,
}

impl<T: ValueTree> ValueTree for AsData<T>
where
    T::Value: serde::Serialize,
{
    type Value = serde_json::Value;

    fn current(&self) -> serde_json::Value {
        let name = |_: &_| strategy_of(self.operation);
        let value = as_part(&mut &self.tree, name, |tree| tree.current());
        serde_json::to_value(value).expect("an operation is plain data")
    }
    fn simplify(&mut self) -> bool {
        as_part(&mut self.tree, |_| strategy_of(self.operation), ValueTree::simplify)
    }
    fn complicate(&mut self) -> bool {
        as_part(&mut self.tree, |_| strategy_of(self.operation), ValueTree::complicate)
    }
}

/// The system of a type.
pub(super) fn erased<S: System>() -> impl AnySystem {
    Erased::<S>(PhantomData)
}

struct Erased<S>(PhantomData<fn() -> S>);

fn typed<S: System>(params: &serde_json::Value) -> S::Params {
    if params.is_null() {
        return S::Params::default();
    }
    serde_json::from_value(params.clone()).expect("parameters were checked by complete_params")
}

impl<S: System> AnySystem for Erased<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }
    fn about(&self) -> &'static str {
        S::ABOUT
    }
    fn complete_params(&self, params: &serde_json::Value) -> Result<serde_json::Value, serde_json::Error> {
        if params.is_null() {
            return serde_json::to_value(S::Params::default());
        }
        serde_json::to_value(serde_json::from_value::<S::Params>(params.clone())?)
    }
    fn read_params(&self, params: &mut Tree) -> (serde_json::Value, Vec<Diagnostic>) {
        language::read_params::<S::Params>(params)
    }
    fn params_schema(&self) -> schemars::Schema {
        schemars::schema_for!(S::Params)
    }
    fn groups(&self, params: &serde_json::Value) -> Vec<Group> {
        S::groups(&typed::<S>(params))
    }
    fn operations(&self, params: &serde_json::Value) -> Vec<(&'static str, u32)> {
        S::operations(&typed::<S>(params)).kinds.iter().map(|k| (k.name, k.weight)).collect()
    }
    fn operation_fields(&self, params: &serde_json::Value) -> Vec<(&'static str, &'static [&'static str])> {
        S::operations(&typed::<S>(params)).kinds.iter().map(|k| (k.name, k.fields)).collect()
    }
    fn check_operation(&self, operation: &serde_json::Value) -> Result<(), serde_json::Error> {
        serde_json::from_value::<S::Op>(operation.clone()).map(drop)
    }
    fn reread_operation(
        &self,
        operation: &serde_json::Value,
    ) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(serde_json::from_value::<S::Op>(operation.clone())?)
    }
    fn events(&self) -> &'static [EventKind] {
        S::events()
    }
    fn invariants(&self, params: &serde_json::Value) -> Vec<String> {
        S::invariants(&typed::<S>(params)).iter().map(|i| i.name().to_owned()).collect()
    }
    fn vocabulary(&self, params: &serde_json::Value) -> Vec<(String, &'static [EventKind])> {
        S::invariants(&typed::<S>(params)).iter().map(|i| (i.name().to_owned(), i.vocabulary())).collect()
    }
    fn conditions(&self, params: &serde_json::Value) -> Vec<String> {
        S::conditions(&typed::<S>(params)).iter().map(|c| c.name().to_owned()).collect()
    }
    fn condition_vocabulary(&self, params: &serde_json::Value) -> Vec<(String, &'static [EventKind])> {
        S::conditions(&typed::<S>(params)).iter().map(|c| (c.name().to_owned(), c.vocabulary())).collect()
    }
    fn methods(&self) -> &'static [&'static str] {
        S::methods()
    }
    fn roles(&self) -> &'static [&'static str] {
        S::roles()
    }
    fn transport(&self, params: &serde_json::Value) -> Transport {
        S::transport(&typed::<S>(params))
    }
    fn flaws(&self) -> &'static [Flaw] {
        S::flaws()
    }
    fn with_flaw(&self, params: &serde_json::Value, flaw: &'static str) -> serde_json::Value {
        let mut params = typed::<S>(params);
        S::apply_variant(&mut params, flaw);
        serde_json::to_value(params).expect("parameters are plain data")
    }
    fn build_invariants(&self, params: &serde_json::Value) -> Vec<Box<dyn Invariant>> {
        S::invariants(&typed::<S>(params))
    }
    fn build_conditions(&self, params: &serde_json::Value) -> Vec<Box<dyn Condition>> {
        S::conditions(&typed::<S>(params))
    }
    fn sampler(&self, params: &serde_json::Value) -> Box<dyn Sampler> {
        Box::new(S::operations(&typed::<S>(params)))
    }
    fn run_node(&self, node: Node, params: &serde_json::Value) -> BoxFuture<Result<(), BoxError>> {
        Box::pin(S::run_node(node, typed::<S>(params)))
    }
    fn run_client(
        &self,
        node: Node,
        params: &serde_json::Value,
        mut driver: Box<dyn ClientDriver>,
    ) -> BoxFuture<()> {
        let params = typed::<S>(params);
        Box::pin(async move {
            let mut session = S::open_session(node, params).await;
            while let Some(op) = driver.next().await {
                let op: S::Op = serde_json::from_value(op).expect("a planned operation reads back");
                tokio::select! {
                    biased;
                    // The future of the operation is dropped wherever it stands.
                    () = driver.cancelled() => {}
                    outcome = S::perform(&mut session, op) => driver.complete(outcome),
                }
            }
        })
    }
}
