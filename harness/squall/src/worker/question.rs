//! Questions about systems. Workers answer them, so that the code of a system under test is called nowhere else, whatever it does.
//!
//! Before each call the worker names the [`Call`] that it makes: if it dies or hangs, the parent knows in what.

use std::{
    io,
    sync::{Arc, mpsc::Receiver},
};

use proptest::strategy::ValueTree;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Order, Reply, Seat};
use crate::{
    confine::Panicked,
    plan::{Drawn, PlannedOperation, RunId},
    run::{self, Ended},
    spec::{self, Spec, Tree},
    system::{Facts, Observer, Registry, observed},
};

/// How many steps that do not show are taken in a row: a strategy may have no end of them.
const UNSEEN: usize = 1_000;

/// A question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Question {
    /// What a spec comes to: [`Judged`](spec::Judged).
    Judge(Tree),
    /// A system's default parameters, complete.
    Defaults(String),
    /// A system's [`Facts`].
    Facts(String),
    /// What is wrong with a system's operations: [`Problem`](crate::system::Problem)s.
    Operations(String),
    /// The JSON Schema of specs.
    Schema,
    /// The [`Plan`](crate::plan::Plan) of a run.
    Plan(Box<Spec>, RunId),
    /// The operations that a run was drawn with, as [`PlannedOperation`]s. After that, whatever [`Step`]s are asked for.
    Values(Box<Spec>, RunId),
}

/// A step of one of the operations that were drawn, as proptest has it. The answer is a [`Stepped`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Which one, by its position.
    pub nth: usize,
    /// Towards what it was, rather than simpler.
    pub back: bool,
}

/// What a step came to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stepped {
    /// Whether there was one to go.
    pub gone: bool,
    /// What the operation is now.
    pub op: Value,
}

/// Answers a question; `orders` brings the steps that follow it.
pub(super) fn answer(
    registry: &Registry,
    seat: &Arc<Seat>,
    number: u64,
    question: Question,
    orders: &mut Receiver<(u64, Order)>,
) -> io::Result<()> {
    seat.set_streams()?;
    let caller = seat.clone();
    // One that is lost is missed when the answer is.
    let observer: Observer = Arc::new(move |call| drop(caller.say(number, &Reply::Calling(call))));
    let registry = observed(registry, &observer);
    let known = |name: &str| registry.get(name).expect("only known systems are asked about").clone();
    let answered = match question {
        Question::Judge(tree) => run::apart(|| said(seat, number, &spec::judge(tree, &registry))),
        Question::Defaults(name) => run::apart(|| {
            let defaults = known(&name).complete_params(&Value::Null);
            said(seat, number, &defaults.expect("default parameters can be written as JSON"))
        }),
        Question::Facts(name) => run::apart(|| said(seat, number, &Facts::of(&*known(&name)))),
        Question::Operations(name) => run::apart(|| said(seat, number, &registry.operation_problems(&name))),
        Question::Schema => run::apart(|| said(seat, number, &spec::schema(Some(&registry)))),
        Question::Plan(spec, run) => {
            run::try_explain(&registry, &spec, &run).map(|plan| said(seat, number, &plan))
        }
        Question::Values(spec, run) => {
            run::with_drawn_operations(&registry, &spec, &run, move |mut drawn| {
                let all: Vec<PlannedOperation> = drawn.iter().map(Drawn::planned).collect();
                said(seat, number, &all)?;
                while let Ok((_, Order::Step(step))) = orders.recv() {
                    said(seat, number, &take(step, &mut *drawn[step.nth].tree))?;
                }
                Ok(())
            })
        }
    };
    answered.unwrap_or_else(|ended| {
        let reply = match ended {
            Ended::Panicked(Panicked { message, location, .. }) => Reply::Panicked { message, location },
            Ended::Refused(told) => Reply::Refused(told),
        };
        seat.say(number, &reply)
    })
}

fn said(seat: &Seat, number: u64, answer: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string(answer).expect("answers are plain data");
    seat.say(number, &Reply::Answer(json))
}

/// Takes steps until one shows.
fn take(step: Step, tree: &mut dyn ValueTree<Value = Value>) -> Stepped {
    let before = tree.current();
    for _ in 0..UNSEEN {
        let gone = if step.back { tree.complicate() } else { tree.simplify() };
        let op = tree.current();
        if !gone || op != before {
            return Stepped { gone, op };
        }
    }
    Stepped { gone: false, op: before }
}
