//! The operations that a run was drawn with, as proptest values that live in a worker: each step towards simpler ones is asked of it.
//!
//! Where a strategy's code takes the worker with it, that operation stays as simple as it was known to fail, and the others
//! go on in a new worker: they are drawn again, as they were.

use std::{cell::RefCell, rc::Rc};

use proptest::strategy::ValueTree;
use serde_json::Value;

use super::{Bounds, ask_fresh};
use crate::{
    plan::{Drawn, PlannedOperation, RunId},
    spec::Spec,
    system::Call,
    worker::{Question, Silence, Step, Stepped, Unanswered, Worker},
};

/// How many steps one operation may take.
const MOST_STEPS: u32 = 1_000;
/// How many operations may take the worker with them before the others are left as they are.
const MOST_LOST: u32 = 3;

/// See the [module](self).
pub(crate) struct Values {
    /// The operations, in order.
    pub drawn: Vec<Drawn>,
    pub trouble: Trouble,
}

/// What keeps operations from becoming simpler, as far as that is known yet: the first such thing.
#[derive(Clone, Default)]
pub(crate) struct Trouble(Rc<RefCell<Option<Unanswered>>>);

impl Trouble {
    /// One that is known from the beginning.
    pub(crate) fn known(why: Unanswered) -> Self {
        Trouble(Rc::new(RefCell::new(Some(why))))
    }

    pub(crate) fn told(&self) -> Option<Unanswered> {
        self.0.borrow().clone()
    }
}

impl Values {
    pub(super) fn new(spec: &Spec, run: &RunId, bounds: Bounds) -> Result<Values, Unanswered> {
        let question = Question::Values(Box::new(spec.clone()), run.clone());
        let (worker, planned): (Worker, Vec<PlannedOperation>) = ask_fresh(&question, bounds)?;
        let trouble = Trouble::default();
        let talk = Talk { question, bounds, worker: Some(worker), lost: 0, trouble: trouble.clone() };
        let talk = Rc::new(RefCell::new(talk));
        let drawn = |(nth, planned): (usize, PlannedOperation)| Drawn {
            client: planned.client,
            at: planned.at.0,
            tree: Box::new(Remote {
                nth,
                call: Call::of_strategy(&spec.system, planned.name()),
                current: planned.op.clone(),
                failing: planned.op,
                left: MOST_STEPS,
                talk: talk.clone(),
            }),
        };
        Ok(Values { drawn: planned.into_iter().enumerate().map(drawn).collect(), trouble })
    }
}

/// What all operations share.
struct Talk {
    question: Question,
    bounds: Bounds,
    /// None if it was lost.
    worker: Option<Worker>,
    lost: u32,
    trouble: Trouble,
}

impl Talk {
    fn step(&mut self, step: Step) -> Result<Stepped, Unanswered> {
        if self.worker.is_none() {
            // Operations that have been at it need no more steps, so it does not matter that they are as they were drawn.
            let (worker, _): (Worker, Vec<PlannedOperation>) = ask_fresh(&self.question, self.bounds)?;
            self.worker = Some(worker);
        }
        let worker = self.worker.as_mut().expect("it was just seen to");
        worker.step(step, self.bounds.time)
    }

    fn give_up(&mut self, why: Unanswered) {
        self.worker = None;
        self.lost += 1;
        self.trouble.0.borrow_mut().get_or_insert(why);
    }
}

/// An operation, of which the value itself is in the worker.
struct Remote {
    nth: usize,
    /// What its steps call.
    call: Call,
    current: Value,
    /// As simple as it is known to fail: a step is only taken from what fails.
    failing: Value,
    left: u32,
    talk: Rc<RefCell<Talk>>,
}

impl Remote {
    fn step(&mut self, back: bool) -> bool {
        let mut talk = self.talk.borrow_mut();
        if self.left == 0 || talk.lost >= MOST_LOST {
            return false;
        }
        self.left -= 1;
        let stepped = match self.left {
            0 => Err(Unanswered { call: Some(self.call.clone()), silence: Silence::Endless }),
            _ => talk.step(Step { nth: self.nth, back }),
        };
        match stepped {
            Ok(Stepped { gone, op }) => {
                self.current = op;
                gone
            }
            Err(why) => {
                talk.give_up(why);
                self.left = 0;
                self.current = self.failing.clone();
                false
            }
        }
    }
}

impl ValueTree for Remote {
    type Value = Value;

    fn current(&self) -> Value {
        self.current.clone()
    }

    fn simplify(&mut self) -> bool {
        self.failing = self.current.clone();
        self.step(false)
    }

    fn complicate(&mut self) -> bool {
        self.step(true)
    }
}
