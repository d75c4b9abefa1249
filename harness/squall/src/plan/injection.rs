//! A single fault at a single point of a run: what the strategies put into plans that are not drawn from the spec.
//!
//! A point is something that happened in a run that was recorded: the twelfth data packet from one node to another, the third
//! sync of a disk. Up to the first injection a run is the very run that was recorded, so the point is reached again.
//!
//! The faults are those of the spec language, so an injection can be written down in a spec.

use std::{fmt, str::FromStr, time::Duration};

use super::{Action, PlannedFault, PlannedTrigger, Start};
use crate::{
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

/// What is done at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Harm {
    /// The packet, or the request, is lost.
    Lose,
    /// The call is executed and its reply is lost.
    LoseReply,
    /// It arrives twice.
    Duplicate,
    /// It arrives when nobody waits for it any more.
    Delay,
    /// The node crashes before it happens; unsynced writes are lost.
    CrashBefore,
    /// The node crashes when it has happened and was reported; unsynced writes are lost.
    CrashAfter,
    /// The node is cut off from all others for a while.
    Isolate,
    /// The node stands still for a while.
    Pause,
    /// The client gives up on its operation.
    Cancel,
    /// The spec's own fault strikes, as it would, and no other does.
    Strike,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// A packet was sent: the `number`-th of its kind on that link, from 1.
    Message {
        /// The sender, as `orders[0]`.
        from: String,
        /// The receiver.
        to: String,
        /// The kind of packet.
        kind: MessageKind,
        /// Which of them, from 1.
        number: u64,
    },
    /// A call was made: the `number`-th of that method from one to the other, from 1.
    Call {
        /// The caller.
        from: String,
        /// The server.
        to: String,
        /// The method.
        method: String,
        /// Which of them, from 1.
        number: u64,
    },
    /// A disk was synced.
    Sync {
        /// Whose.
        node: String,
        /// Which of its syncs, from 1.
        number: u64,
    },
    /// A node reported something.
    Step {
        /// Which node.
        node: String,
        /// The event.
        event: String,
        /// Which of the events of that name, over all nodes, from 1.
        number: u64,
    },
    /// One of the spec's own faults.
    Fault(String),
}

/// A fault at a point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Injection {
    /// What is done.
    pub harm: Harm,
    /// Where.
    pub point: Point,
}

const HARMS: [(Harm, &str); 10] = [
    (Harm::Lose, "lose"),
    (Harm::LoseReply, "lose-reply"),
    (Harm::Duplicate, "duplicate"),
    (Harm::Delay, "delay"),
    (Harm::CrashBefore, "crash-before"),
    (Harm::CrashAfter, "crash-after"),
    (Harm::Isolate, "isolate"),
    (Harm::Pause, "pause"),
    (Harm::Cancel, "cancel"),
    (Harm::Strike, "strike"),
];

impl Point {
    /// What a sweep does at such a point, one at a time.
    pub(crate) fn harms(&self) -> impl Iterator<Item = Harm> + use<> {
        // Only a client has an operation to give up. A pause is between a delay and an isolation, which are both tried.
        let client = matches!(self, Point::Call { from, .. } if from.starts_with("clients"));
        let datagram = matches!(self, Point::Message { kind: MessageKind::Datagram, .. });
        let segment = matches!(self, Point::Message { .. }) && !datagram;
        self.possible().iter().copied().filter(move |harm| match harm {
            Harm::Cancel => client,
            Harm::Pause => false,
            // TCP discards what it has.
            Harm::Duplicate => !segment,
            _ => true,
        })
    }

    /// What can be done at such a point.
    fn possible(&self) -> &'static [Harm] {
        use Harm::*;
        match self {
            Point::Message { .. } => &[Lose, Duplicate, Delay],
            Point::Call { .. } => {
                &[Lose, LoseReply, Duplicate, Delay, CrashBefore, CrashAfter, Isolate, Pause, Cancel]
            }
            Point::Sync { .. } => &[CrashBefore, CrashAfter],
            Point::Step { .. } => &[CrashAfter, Isolate, Pause],
            Point::Fault(_) => &[Strike],
        }
    }
}

/// The characters that a name's parts are told apart by, and how they are written inside of one.
const ESCAPES: [(char, &str); 6] =
    [('%', "%25"), (':', "%3A"), ('+', "%2B"), ('@', "%40"), ('~', "%7E"), ('/', "%2F")];

fn escaped(text: &str) -> String {
    ESCAPES.iter().fold(text.to_owned(), |text, (plain, escape)| text.replace(*plain, escape))
}

fn plain(text: &str) -> String {
    ESCAPES
        .iter()
        .rev()
        .fold(text.to_owned(), |text, (plain, escape)| text.replace(escape, &plain.to_string()))
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@", self.harm.name())?;
        match &self.point {
            Point::Message { from, to, kind, number } => {
                write!(f, "message:{}:{}:{kind}:{number}", escaped(from), escaped(to))
            }
            Point::Call { from, to, method, number } => {
                write!(f, "call:{}:{}:{}:{number}", escaped(from), escaped(to), escaped(method))
            }
            Point::Sync { node, number } => write!(f, "sync:{}:{number}", escaped(node)),
            Point::Step { node, event, number } => {
                write!(f, "step:{}:{}:{number}", escaped(node), escaped(event))
            }
            Point::Fault(id) => write!(f, "fault:{}", escaped(id)),
        }
    }
}

impl FromStr for Injection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| {
            format!("`{text}` is no injection: {why}, as in `lose@call:clients[0]:orders[0]:place:3`")
        };
        let (harm, point) = text.split_once('@').ok_or_else(|| bad("write what is done, @, and where"))?;
        let harm = HARMS.iter().find(|(_, name)| *name == harm).map(|(harm, _)| *harm);
        let harm = harm.ok_or_else(|| {
            bad(&format!("what is done is one of {}", HARMS.map(|(_, name)| name).join(", ")))
        })?;
        let parts: Vec<String> = point.split(':').map(plain).collect();
        let count = |number: &str| {
            number.parse::<u64>().ok().filter(|n| *n > 0).ok_or_else(|| bad("it ends with a count from 1"))
        };
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let owned = |text: &str| text.to_owned();
        let point = match parts[..] {
            ["message", from, to, kind, n] => {
                let kind = MessageKind::named(kind)
                    .ok_or_else(|| bad(&format!("no packets are called `{kind}`")))?;
                Point::Message { from: owned(from), to: owned(to), kind, number: count(n)? }
            }
            ["call", from, to, method, n] => {
                Point::Call { from: owned(from), to: owned(to), method: owned(method), number: count(n)? }
            }
            ["sync", node, n] => Point::Sync { node: owned(node), number: count(n)? },
            ["step", node, event, n] => {
                Point::Step { node: owned(node), event: owned(event), number: count(n)? }
            }
            ["fault", id] => Point::Fault(owned(id)),
            _ => return Err(bad("where is a message, a call, a sync, a step or a fault")),
        };
        if !point.possible().contains(&harm) {
            return Err(bad("that cannot be done there"));
        }
        Ok(Injection { harm, point })
    }
}

impl Injection {
    /// What it has in common with others: what is done to what, and where, but for which time.
    pub(crate) fn class(&self) -> String {
        let name = self.to_string();
        name.rsplit_once(':').map_or(name.clone(), |(class, _)| class.to_owned())
    }

    /// What it is called in the plan of which it is the `nth`.
    pub(crate) fn fault(&self, nth: u32) -> String {
        match &self.point {
            Point::Fault(id) => id.clone(),
            _ => format!("{}-{nth}", self.harm.name()),
        }
    }

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
    fn name(self) -> &'static str {
        HARMS.iter().find(|(harm, _)| *harm == self).expect("every harm has a name").1
    }

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
