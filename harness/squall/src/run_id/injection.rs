//! A single fault at a single point of a run, as the name of a run has it.
//!
//! A point is something that happened in a run that was recorded: the twelfth data packet from one node to another, the third
//! sync of a disk. Up to the first injection a run is the very run that was recorded, so the point is reached again.

use std::{fmt, str::FromStr};

use crate::trace::MessageKind;

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
}

impl Harm {
    fn name(self) -> &'static str {
        HARMS.iter().find(|(harm, _)| *harm == self).expect("every harm has a name").1
    }
}
