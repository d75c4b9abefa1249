//! A breaker, a saga and a read model of somebody else's, which report under names of their own, are held to the laws of their patterns by
//! specs that say what their events are. Nothing here is of squall-patterns.
#![cfg(madsim)]

mod breaker;
mod read_model;
mod saga;

use proptest::strategy::Just;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    Flaw, Operations, Registry, System,
    run::{ExecuteOptions, RunReport, Verdict},
    spec,
};

/// Clients have nothing to do: the nodes make their own work.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
enum Op {
    Wait,
}

fn wait() -> Operations<Op> {
    Operations::new().with("wait", 1, Just(Op::Wait))
}

/// Whether it is the flawed one.
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(default)]
struct Params {
    flawed: bool,
}

/// One run under these checks.
fn run<S: System>(variant: &str, checks: &str) -> RunReport {
    let text = format!(
        "spec: 1\nsystem: {}\nvariant: {variant}\nworkload: {{ ops: 1 }}\nphases: {{ warmup: 1s, chaos: 3s, settle: 4s }}\n\
         check:\n{checks}",
        S::NAME
    );
    let registry = Registry::new().with::<S>();
    let loaded = spec::parse("own.yaml", &text, &registry).unwrap_or_else(|errors| panic!("{errors}"));
    let options = ExecuteOptions { keep_history: true, ..Default::default() };
    squall::run::execute(&registry, &loaded.spec, 0, options)
}

/// The good one passes, and each of these checks has judged so often at least.
fn passes<S: System>(checks: &str, judged: &[(&str, u64)]) {
    let report = run::<S>("hardened", checks);
    assert_eq!(report.verdict, Verdict::Passed);
    for (check, least) in judged {
        assert!(report.coverage.exercised[*check] >= *least, "{check}: {:?}", report.coverage.exercised);
    }
}

/// The flawed one is caught, by this invariant and in this way.
fn caught<S: System>(checks: &str, by: &str, class: &str) {
    let Flaw { name, violates, .. } = S::flaws()[0];
    assert_eq!(violates, by);
    let Verdict::Violated(violation) = run::<S>(name, checks).verdict else { panic!("it is caught") };
    assert_eq!((&*violation.invariant, &*violation.class), (by, class));
}
