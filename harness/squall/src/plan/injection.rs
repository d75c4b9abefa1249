//! What an injection is in a plan: what the strategies put into plans that are not drawn from the spec.
//!
//! The faults are those of the spec language, so an injection can be written down in a spec.

use std::time::Duration;

use super::{Action, PlannedFault, PlannedTrigger, Start};
use crate::{
    run_id::{Harm, Injection, Point},
    spec::model::{
        Cancel, CountRange, Crash, DiskFate, Dur, DurationRange, Link, Message, MessageOutcome, Partition,
        Pause, Rpc, RpcOutcome, Scalar, Spanned, Target,
    },
    trace::MessageKind,
};

/// How long a packet or a call is held up: longer than services wait.
const HELD_UP: Duration = Duration::from_secs(3);
/// How long a crashed node is down.
const DOWN: Duration = Duration::from_millis(700);
/// What a node does without waiting takes no virtual time.
const MOMENT: Duration = Duration::from_micros(1);
/// How long a node is cut off, or stands still.
const AWAY: Duration = Duration::from_secs(3);

impl Injection {
    /// The fault as a plan has it; the `nth` of its plan. `own` gives one of the spec's own faults, as drawn.
    pub(super) fn planned(&self, own: &dyn Fn(&str) -> Vec<PlannedFault>, nth: u32) -> Vec<PlannedFault> {
        let one = |action: Action, start: Start| {
            let away = matches!(self.harm, Harm::Isolate | Harm::Pause).then_some(Dur(AWAY));
            let lasts = action.own_end().or(away);
            vec![PlannedFault { fault: self.fault(nth), strike: 1, start, action, lasts }]
        };
        match &self.point {
            Point::Message { from, to, kind, number } => {
                let (outcome, by) = match self.harm {
                    Harm::Duplicate => (MessageOutcome::Duplicated, None),
                    Harm::Delay => (MessageOutcome::Delayed, Some(HELD_UP)),
                    _ => (MessageOutcome::Lost, None),
                };
                one(packet(from, to, *kind, *number, outcome, by), Start::At(Dur(Duration::ZERO)))
            }
            Point::Fault(id) => own(id),
            Point::Call { from, to, method, number } => {
                let of_call = |event: &str| {
                    let fields = [("from", from), ("to", to), ("method", method)];
                    when(event, &fields, *number)
                };
                let fate =
                    |outcome| one(call(from, to, method, *number, outcome), Start::At(Dur(Duration::ZERO)));
                match self.harm {
                    Harm::Lose => fate(RpcOutcome::NeverArrives),
                    Harm::LoseReply => fate(RpcOutcome::ExecutedReplyLost),
                    Harm::Duplicate => fate(RpcOutcome::Duplicated),
                    // Just after the caller's own deadline.
                    Harm::Delay => fate(RpcOutcome::Late),
                    Harm::Cancel => {
                        one(Action::Cancel(Cancel { client: target(from) }), of_call("rpc.called"))
                    }
                    Harm::CrashAfter => one(crash(to), of_call("rpc.replied")),
                    _ => one(self.harm.to_node(to), of_call("rpc.arrived")),
                }
            }
            Point::Sync { node, number } => {
                let fields = [("node", node)];
                match self.harm {
                    Harm::CrashBefore => one(crash(node), when("disk.sync", &fields, *number)),
                    _ => one(crash(node), soon_after(when("disk.synced", &fields, *number))),
                }
            }
            Point::Step { node, event, number } => one(self.harm.to_node(node), when(event, &[], *number)),
        }
    }
}

impl Harm {
    /// What is done to a node.
    fn to_node(self, node: &str) -> Action {
        match self {
            Harm::Isolate => {
                Action::Partition(Partition { isolate: Some(target(node)), ..Partition::default() })
            }
            Harm::Pause => Action::Pause(Pause { node: target(node) }),
            _ => crash(node),
        }
    }
}

/// A node's name, of which targets are made too.
fn target(node: &str) -> Spanned<Target> {
    node.parse::<Target>().unwrap_or_else(|_| Target::Group(node.to_owned())).into()
}

fn crash(node: &str) -> Action {
    Action::Crash(Crash {
        node: target(node),
        disk: DiskFate::LoseUnsynced,
        restart_after: Some(DurationRange::exactly(DOWN).into()),
    })
}

fn call(from: &str, to: &str, method: &str, number: u64, outcome: RpcOutcome) -> Action {
    Action::Rpc(Rpc {
        to: target(to),
        from: Some(target(from)),
        method: Some(method.to_owned().into()),
        calls: Some(CountRange::exactly(number).into()),
        outcome,
        by: None,
        code: None,
    })
}

/// A moment after it, when what the node does without waiting is done: what it has made durable it has reported, too. Nobody could tell
/// otherwise whether an effect that was not reported was lost, or durable and about to be.
fn soon_after(mut start: Start) -> Start {
    if let Start::When(trigger) = &mut start {
        trigger.after = Dur(MOMENT);
    }
    start
}

fn packet(
    from: &str,
    to: &str,
    kind: MessageKind,
    number: u64,
    outcome: MessageOutcome,
    by: Option<Duration>,
) -> Action {
    let link = Link { from: target(from).value, to: target(to).value, both: false };
    Action::Message(Message {
        link: link.into(),
        kind,
        numbers: CountRange::exactly(number).into(),
        outcome,
        by: by.map(|by| DurationRange::exactly(by).into()),
    })
}

fn when(event: &str, fields: &[(&str, &String)], nth: u64) -> Start {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Scalar::Text((*value).clone())));
    let after = Dur(Duration::ZERO);
    Start::When(PlannedTrigger { event: event.to_owned(), fields: fields.collect(), nth, after })
}
