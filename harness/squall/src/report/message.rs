//! A line of a trace: time, nodes, what was sent, called or synced, and what became of it.

use std::{fmt, time::Duration};

use super::{Style, record::At};
use crate::{
    screen,
    trace::{MessageFate, TraceEvent, Traced, TracedCall},
};

/// The line.
pub(crate) struct Line<'a>(pub &'a Traced);

/// The name of what happened: its event, and the kind of packet or the method.
pub(crate) fn name(traced: &Traced) -> String {
    let event = traced.event.name();
    match &traced.event {
        TraceEvent::Message { kind, .. } => format!("{event} {kind}"),
        TraceEvent::Called(call) | TraceEvent::Arrived(call) | TraceEvent::Replied(call) => {
            format!("{event} {}", call.method)
        }
        TraceEvent::Sync(_) | TraceEvent::Synced(_) => event.to_owned(),
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Traced { at, event, .. } = self.0;
        write!(f, "{}  ", Style::Faint.paint(At(*at)))?;
        let call = |f: &mut fmt::Formatter<'_>, call: &TracedCall, what: &str| {
            let TracedCall { from, to, method, number } = call;
            let method = screen::in_a_line(method);
            write!(f, "{:<32} call of {method} #{number} {what}", format!("{from} -> {to}"))
        };
        match event {
            TraceEvent::Message { from, to, kind, number, bytes, fate } => {
                write!(f, "{:<32} {kind} #{number}, {bytes} bytes, ", format!("{from} -> {to}"))?;
                write_fate(f, *fate)
            }
            TraceEvent::Called(of) => call(f, of, "leaves"),
            TraceEvent::Arrived(of) => call(f, of, "has arrived"),
            TraceEvent::Replied(of) => call(f, of, "is handled, the reply leaves"),
            TraceEvent::Sync(sync) => write!(f, "{:<32} sync #{} begins", sync.node, sync.number),
            TraceEvent::Synced(sync) => write!(f, "{:<32} sync #{} is done", sync.node, sync.number),
        }
    }
}

fn write_fate(f: &mut fmt::Formatter<'_>, fate: MessageFate) -> fmt::Result {
    let lost = match fate {
        MessageFate::Delivered(after) => return write!(f, "arrives after {}", millis(after)),
        MessageFate::InFlight => return f.write_str("on its way at the end"),
        MessageFate::Lost => "lost by the link",
        MessageFate::LostToFault => "lost by a fault",
        MessageFate::Blocked => "swallowed by a partition",
        MessageFate::Rejected => "turned down by a partition",
        MessageFate::Held => "held by a partition to the end",
        MessageFate::NoPower => "nobody is there: no power",
        MessageFate::NeverLeft => "never left: its sender died before",
    };
    write!(f, "{}", Style::Fault.paint(lost))
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
