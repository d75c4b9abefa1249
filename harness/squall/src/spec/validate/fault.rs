//! Faults: what they are, when they strike, and whether they can.

use std::{collections::HashMap, time::Duration};

use super::{Spec, shown};
use crate::{
    context::{Context, Times},
    fault::{
        Fault,
        kinds::{KINDS, SCHEDULES},
    },
    language::{Code, Place, Span, diagnostic::listed, model::Every},
};

/// The most strikes of one fault.
const MAX_STRIKES: u32 = 10_000;
/// How far `nth` may count: further than the events of any run.
const MAX_NTH: u64 = 1_000_000_000;

impl Context<'_> {
    pub(super) fn faults(&mut self, spec: &Spec, top: &Place<'_>) {
        let mut ids: HashMap<&str, Span> = HashMap::new();
        for (fault, at) in spec.faults.iter().zip(top.key("faults").items()) {
            let id = at.key("id");
            if let Some(first) = ids.insert(&fault.id, id.span()) {
                let message = format!("two faults are named `{}`", *fault.id);
                let help = "give each its own id: reports and random draws go by it";
                let error = id.error(Code::DuplicateName, message, help).related(first, "first here");
                self.report(error);
            }
            // In a plan, `crash#2` is the second strike of `crash`.
            let strike = spec.plan.is_some();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || (strike && c == '#');
            if fault.id.is_empty() || !fault.id.chars().all(plain) {
                let help = "write letters, digits, `-` and `_`, as `cut-off-payments`";
                self.report(id.error(Code::BadValue, format!("bad id `{}`", *fault.id), help));
            }
            self.kind(fault, &at);
            self.schedule(fault, &at, top);
        }
    }

    fn kind(&mut self, fault: &Fault, at: &Place<'_>) {
        self.exactly_one(
            KINDS,
            at,
            (
                format!("fault `{}` does nothing: it has no kind", *fault.id),
                "add what it does, as `crash: { node: .. }`; `squall describe fault` lists all kinds",
            ),
            "a second kind of fault, `{}`",
            "a fault has one kind: make two faults, each with an id of its own",
        );
        for action in fault.actions() {
            let own = at.key(action.name());
            action.check(&own, self);
            let lasts = at.key("for");
            if !lasts.is_written() {
                continue;
            }
            if action.is_instant() {
                let message = format!("`for` beside `{}`, which is over at once", action.name());
                let help = "leave `for` out; to do it again and again, write `every: 2s`";
                let error = lasts.key_error(Code::Conflict, message, help);
                self.report(error.related(own.key_span(), "this has no length"));
            } else if let Some(end) = action.end_key().filter(|end| own.key(end).is_written()) {
                let help = format!("keep `{end}`: it says how long the {} lasts", action.name());
                let error = lasts.key_error(Code::Conflict, format!("`for` beside `{end}`"), help);
                self.report(error.related(own.key(end).key_span(), "the same is said here"));
            } else if let Some(end) = action.end_key().filter(|_| action.own_end().is_some()) {
                let message =
                    format!("`for` beside `{}`, which says itself how long it lasts", action.name());
                let help =
                    format!("write `{end}` in it instead, as `{}: {{ node: .., {end}: 2s }}`", action.name());
                let error = lasts.key_error(Code::Conflict, message, help);
                self.report(error.related(own.key_span(), "this ends by itself"));
            }
        }
    }

    fn schedule(&mut self, fault: &Fault, at: &Place<'_>, top: &Place<'_>) {
        let scheduled = SCHEDULES.iter().any(|name| at.key(name).is_written());
        if scheduled || !fault.actions().any(|action| action.may_stand()) {
            self.exactly_one(
                SCHEDULES,
                at,
                (
                    format!("fault `{}` never strikes: it has no schedule", *fault.id),
                    "add `at: 2s`, `every: 5s`, or `when: { event: .. }`",
                ),
                "a second schedule, `{}`",
                "a fault has one schedule: make two faults, each with an id of its own",
            );
        }
        self.misplaced("between", &["every"], at);
        self.misplaced("times", &["every", "when"], at);
        if let Some(times) = &fault.times
            && !(1..=MAX_STRIKES).contains(&times.value)
        {
            let message = if times.value == 0 {
                "it strikes no times".to_owned()
            } else {
                format!("{times} strikes are too many")
            };
            let help = format!("write 1 to {MAX_STRIKES}, or leave the fault out");
            self.report(at.key("times").error(Code::OutOfRange, message, help));
        }
        if let Some(chance) = &fault.probability {
            let help = "write the chance of each strike, as `50%`, or leave the fault out";
            self.share(**chance, &at.key("probability"), "it never happens", help);
        }
        if fault.lasts.as_ref().is_some_and(|lasts| lasts.max.is_zero()) {
            let help = "write how long, as `for: 2s`, or leave it out: then it lasts until settle begins";
            self.report(at.key("for").error(Code::OutOfRange, "it ends as it begins", help));
        }
        if let Some(trigger) = &fault.when {
            let when = at.key("when");
            self.trigger(trigger, &when);
            if trigger.nth.is_some_and(|nth| nth.min == 0 || nth.max > MAX_NTH) {
                let help = "the first occurrence is 1, and a billion is more than any run has";
                self.report(when.key("nth").error(Code::OutOfRange, "there is no such occurrence", help));
            }
        }
        if let Some(times) = self.times {
            self.times(fault, at, times, top);
        }
    }

    /// Refuses an entry that goes with other schedules only.
    fn misplaced(&mut self, name: &str, schedules: &[&str], at: &Place<'_>) {
        let entry = at.key(name);
        let has = |schedule: &&str| at.key(schedule).is_written();
        let other = SCHEDULES.iter().find(|schedule| has(schedule));
        let Some(other) = other.filter(|_| entry.is_written() && !schedules.iter().any(has)) else {
            return;
        };
        let message = format!("`{name}` beside `{other}`");
        let help = format!("`{name}` goes with {}: leave it out", listed(schedules.iter().copied()));
        let error = entry.key_error(Code::Conflict, message, help);
        self.report(error.related(at.key(other).key_span(), "the schedule"));
    }

    /// Checks that the fault strikes before all faults heal.
    fn times(&mut self, fault: &Fault, at: &Place<'_>, times: Times, top: &Place<'_>) {
        let heal = shown(times.heal);
        let help = format!(
            "faults heal when settle begins, at warmup + chaos = {heal}: strike earlier, or lengthen `phases.chaos`"
        );
        let chaos = top.key("phases").key("chaos");
        let mut late = |entry: Place<'_>, message: String| {
            let mut error = entry.error(Code::OutsideRun, message, help.clone());
            if chaos.is_written() {
                error = error.related(chaos.span(), "how long faults may strike");
            }
            self.errors.push(error);
        };
        let id = &*fault.id;
        // What was drawn is written out as it was: an `every` may have struck as settle began, and a trigger too late.
        let drawn = top.key("plan").is_written();
        if let Some(strike) = &fault.at
            && (strike.max > times.heal || (strike.max == times.heal && !drawn))
        {
            let may = if strike.min < times.heal { "may strike" } else { "strikes" };
            late(
                at.key("at"),
                format!("fault `{id}` {may} at {}, but faults end at {heal}", shown(strike.max)),
            );
        }
        if let Some(after) = fault.when.as_ref().and_then(|when| when.after)
            && after.min >= times.heal
            && !drawn
        {
            let message = format!(
                "fault `{id}` strikes {} after the event, but faults end at {heal}",
                shown(after.min)
            );
            late(at.key("when").key("after"), message);
        }
        let entry = at.key("between");
        let window = match &fault.between {
            None if entry.is_damaged() => return,
            None => (times.warmup, times.heal),
            Some(between) => {
                let (first, last) = (between.0.0, between.1.0);
                if last > times.heal {
                    late(
                        entry,
                        format!("fault `{id}` may strike at {}, but faults end at {heal}", shown(last)),
                    );
                    return;
                }
                if first >= last {
                    let help = format!("put the earlier moment first: `[{}, {}]`", shown(last), shown(first));
                    self.report(entry.error(Code::OutsideRun, "there is no time between these", help));
                    return;
                }
                (first, last)
            }
        };
        if let Some(every) = &fault.every {
            self.interval(every, window, fault, &at.key("every"));
        }
    }

    /// Checks that a repeated fault strikes, and not without end.
    fn interval(
        &mut self,
        every: &Every,
        (first, last): (Duration, Duration),
        fault: &Fault,
        at: &Place<'_>,
    ) {
        let (least, mean) = match every {
            Every::Interval(range) => (range.min, (range.min + range.max) / 2),
            Every::Poisson(mean) => (Duration::ZERO, *mean),
        };
        let room = last - first;
        if least > room {
            let message =
                format!("fault `{}` never strikes: it first would at {}", *fault.id, shown(first + least));
            let help =
                format!("it may strike from {} to {}: choose a shorter interval", shown(first), shown(last));
            self.report(at.error(Code::OutsideRun, message, help));
        }
        // The planner leaves at least a millisecond between strikes.
        let strikes = room.as_nanos() / mean.max(Duration::from_millis(1)).as_nanos();
        if fault.times.is_none() && strikes > u128::from(MAX_STRIKES) {
            let message = format!("about {strikes} strikes are too many");
            let help = format!("choose a longer interval, or add `times:`; {MAX_STRIKES} at most");
            self.report(at.error(Code::OutOfRange, message, help));
        }
    }
}
