//! All kinds at once: the same seed is the same run, alone and after others.

use squall::{
    run::{ExecuteOptions, execute},
    spec,
};

use crate::{
    draws::{EACH, lasts, name},
    told::{registry, spec_of},
};

#[test]
fn with_every_kind_at_once_a_seed_is_one_run() {
    let faults: String = EACH
        .iter()
        .map(|kind| {
            let wider = kind.replace("store[2]", "one(store)").replace("'one(store)'", "one(store)");
            format!("  - {{ id: {}, {wider}, every: 500ms{} }}\n", name(kind), lasts(kind))
        })
        .collect();
    let extra = "network: { default: { latency: 500us..3ms, loss: 1% } }
workload: { clients: 3, ops: 100, rate: 25/s, mix: { put: 2, get: 1, work: 1, bulk: 1 } }
params: { files: true, ending: orderly }";
    let registry = registry();
    let yaml = spec_of(extra, &faults);
    let loaded =
        spec::parse("test.yaml", &yaml, &registry).unwrap_or_else(|errors| panic!("{yaml}\n{errors}"));
    let run = |seed| execute(&registry, &loaded.spec, seed, ExecuteOptions::default());
    let first: Vec<_> = (0..50).map(run).collect();
    for (seed, first) in first.iter().enumerate().rev() {
        assert!(first.passed(), "{:?}", first.verdict);
        let again = run(seed as u64);
        assert_eq!(again.digest, first.digest, "seed {seed}");
        assert_eq!(again.coverage, first.coverage);
    }
    let digests: std::collections::BTreeSet<_> = first.iter().map(|report| report.digest.0).collect();
    assert_eq!(digests.len(), 50);
    for kind in EACH {
        let touched: u64 = first.iter().map(|report| report.coverage.faults[name(kind)].touched).sum();
        assert!(touched > 0, "{kind} touched nothing in 50 runs");
    }
}
