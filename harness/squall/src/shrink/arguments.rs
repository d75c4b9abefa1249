//! Simpler arguments: the operations that are left are proptest values of the system's strategies, and proptest makes them simpler.

use std::cell::RefCell;

use proptest::{
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use super::Shrinker;
use crate::{
    plan::{Drawn, PlannedOperation, RunId},
    run,
    spec::Spec,
    system::Registry,
};

/// How many runs this may take at most.
const RUNS: u32 = 60;

/// Operations of which some can be made simpler.
#[derive(Debug)]
struct Operations {
    operations: Vec<PlannedOperation>,
    trees: Vec<Option<Tree>>,
    /// Which one is being made simpler.
    at: usize,
    /// Whether that one's last step can be taken back.
    stepped: bool,
    /// How many more steps may be tried.
    left: u32,
}

struct Tree(Box<dyn ValueTree<Value = serde_json::Value>>);

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.current().fmt(f)
    }
}

impl Operations {
    /// Finds for each operation the value that it was drawn as. One that is none's is left as it is.
    fn new(operations: Vec<PlannedOperation>, drawn: Vec<Drawn>, left: u32) -> Self {
        let mut drawn: Vec<Option<Drawn>> = drawn.into_iter().map(Some).collect();
        let trees = operations
            .iter()
            .map(|operation| {
                let same =
                    |drawn: &Drawn| drawn.client == operation.client && drawn.tree.current() == operation.op;
                let found = drawn.iter_mut().find(|drawn| drawn.as_ref().is_some_and(same))?;
                found.take().map(|drawn| Tree(drawn.tree))
            })
            .collect();
        Operations { operations, trees, at: 0, stepped: false, left }
    }
}

/// As proptest has it: `simplify` goes a step, `complicate` goes half of one back, and both say whether there is anything left to try.
impl ValueTree for Operations {
    type Value = Vec<PlannedOperation>;

    fn current(&self) -> Self::Value {
        let op = |(operation, tree): (&PlannedOperation, &Option<Tree>)| PlannedOperation {
            op: tree.as_ref().map_or_else(|| operation.op.clone(), |tree| tree.0.current()),
            ..operation.clone()
        };
        self.operations.iter().zip(&self.trees).map(op).collect()
    }

    fn simplify(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        while let Some(tree) = self.trees.get_mut(self.at) {
            if let Some(Tree(tree)) = tree {
                let before = tree.current();
                while tree.simplify() {
                    // A step that does not show in the operation is no candidate.
                    if tree.current() != before {
                        self.stepped = true;
                        self.left -= 1;
                        return true;
                    }
                }
            }
            self.at += 1;
        }
        self.stepped = false;
        false
    }

    fn complicate(&mut self) -> bool {
        if !std::mem::take(&mut self.stepped) {
            return false;
        }
        let Some(Some(Tree(tree))) = self.trees.get_mut(self.at) else { return false };
        if self.left > 0 && tree.complicate() {
            self.stepped = true;
            self.left -= 1;
            return true;
        }
        // It cannot be made simpler after that: on to the next.
        self.at += 1;
        self.simplify()
    }
}

/// Makes the arguments of what is left simpler.
pub(super) fn simplify(
    shrinker: &mut Shrinker<'_>,
    spec: &mut Spec,
    registry: &Registry,
    original: &Spec,
    run: &RunId,
) {
    let Some(plan) = spec.plan.clone() else { return };
    if plan.operations.is_empty() {
        return;
    }
    let with = |operations: Vec<PlannedOperation>| {
        let mut plan = plan.clone();
        plan.value.operations = operations;
        Spec { plan: Some(plan), ..spec.clone() }
    };
    let budget = shrinker.limits.runs.saturating_sub(shrinker.runs).min(RUNS.into()) as u32;
    let simpler = run::with_drawn_operations(registry, original, run, |drawn| {
        let tree = Operations::new(plan.operations.clone(), drawn, budget);
        if tree.trees.iter().all(Option::is_none) {
            return None;
        }
        let config = Config {
            failure_persistence: None,
            // The budget is the value's own, which ends without a word where proptest would print one.
            max_shrink_iters: u32::MAX,
            max_shrink_time: 0,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[0; 32]);
        let first = plan.operations.clone();
        let shrinker = RefCell::new(&mut *shrinker);
        let outcome = TestRunner::new_with_rng(config, rng).run_one(tree, |operations| {
            // What it begins with is known to fail.
            if operations == first || shrinker.borrow_mut().fails(&with(operations)) {
                Err(TestCaseError::fail("the same way"))
            } else {
                Ok(())
            }
        });
        match outcome {
            Err(TestError::Fail(_, operations)) => Some(operations),
            _ => None,
        }
    });
    if let Some(operations) = simpler.filter(|operations| *operations != plan.operations) {
        *spec = with(operations);
    }
}
