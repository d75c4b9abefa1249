//! `squall replay`: one run, seen from inside.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    time::Duration,
};

use super::{Exit, ReplayArgs, load};
use crate::{
    check::consistent,
    explore::{Pool, is_expected, stuck},
    history::Record,
    inquiry::Inquiry,
    language::diagnostic::did_you_mean,
    log::{Filter, Level, Logged},
    report::{
        Style, failure, message,
        record::{self, Line},
    },
    run::{ExecuteOptions, RunReport, Verdict},
    screen,
    spec::Spec,
    system::Registry,
    trace::Traced,
};

pub(super) fn replay(inquiry: &Inquiry, registry: &Registry, args: &ReplayArgs) -> io::Result<Exit> {
    let loaded = match inquiry.case(&args.spec, args.case.as_deref()) {
        Ok(loaded) => loaded,
        Err(why) => return load::refuse(why),
    };
    let Some(run) = load::which(&loaded.spec, args.seed.as_ref()) else { return Ok(Exit::Usage) };
    if let Some(exit) = load::refuse_strangers(inquiry, &loaded.spec, &run)? {
        return Ok(exit);
    }
    let pool = if args.in_process { Pool::in_process(registry, 1) } else { Pool::new(1) };
    let pool = pool.with_memory(args.worker.memory);
    let filter = match filter(args) {
        Ok(filter) => filter,
        Err(error) => {
            screen::say(format_args!("error: {error}"));
            return Ok(Exit::Usage);
        }
    };
    let reports = pool.run_telling(
        &loaded.spec,
        std::slice::from_ref(&run),
        // Somebody who watches wants to see how far it got.
        ExecuteOptions {
            trace: args.messages,
            log: filter.most(),
            follow: true,
            ..ExecuteOptions::default()
        },
        args.run_timeout,
    );
    let report = reports.first().expect("one seed makes one report");
    let mut out = screen::out();
    if args.digest {
        writeln!(out, "{}  {}", report.digest, report.verdict.headline())?;
        return Ok(exit(&loaded.spec, report));
    }
    if let Some(strange) = strange_node(args, report) {
        screen::say(format_args!("error: {strange}"));
        return Ok(Exit::Usage);
    }
    let hidden = write_history(&mut out, args, &filter, report)?;
    if report.is_lost() {
        let shown = if report.history.is_empty() { "It left no history" } else { "This is how far it got" };
        writeln!(
            out,
            "{shown}: the run took its process with it. With --in-process a debugger can follow it."
        )?;
    }
    writeln!(out)?;
    if hidden.records > 0 {
        writeln!(out, "{} of {} records are not shown.", hidden.records, report.history.len())?;
        if hidden.records == report.history.len() {
            writeln!(
                out,
                "No record is of {} and {}: `squall describe {}` lists the events; leave an option out to see more.",
                if args.node.is_empty() { "any node".to_owned() } else { args.node.join(" or ") },
                if args.events.is_empty() { "any event".to_owned() } else { args.events.join(" or ") },
                loaded.spec.system.value
            )?;
        }
    }
    if hidden.lines > 0 {
        writeln!(
            out,
            "{} not shown: `--log trace` shows them all, `--log {filter}` was in force.",
            lines(hidden.lines)
        )?;
    }
    if report.log.dropped > 0 {
        writeln!(out, "{} lost: there is room for the last of them only.", lines(report.log.dropped))?;
    }
    let expected = is_expected(&loaded.spec, report);
    let style = if report.passed() { Style::Good } else { Style::Bad };
    writeln!(out, "seed {}: {}", report.run, style.paint(report.verdict.headline()))?;
    for line in failure::details(&report.verdict).lines().chain(failure::polled(report).as_deref()) {
        writeln!(out, "  {line}")?;
    }
    if !report.backtrace.is_empty() && failure::wants_backtrace(args.backtrace) {
        for line in report.backtrace.to_string().lines() {
            writeln!(out, "  {line}")?;
        }
    }
    if expected && !report.passed() {
        writeln!(out, "  as the spec expects")?;
    }
    writeln!(out, "digest {}, {:?} of virtual time", report.digest, report.virtual_time)?;
    if filter.most() > Level::Warn && !args.in_process {
        let plain = pool.run_apart(&loaded.spec, std::slice::from_ref(&run), args.run_timeout);
        if plain.first().is_some_and(|plain| plain.digest != report.digest) {
            writeln!(
                out,
                "with these lines of the log it is another run than without: something is done where a line is put together, and a line that \
                 nobody wants is not. Move it out of the arguments of the line"
            )?;
        }
    }
    if let Some(stuck) = stuck(&report.coverage, 1) {
        writeln!(out, "{stuck}")?;
    }
    if let Some(line) = as_recorded(&loaded.spec, report) {
        writeln!(out, "{line}")?;
    }
    if let Some(path) = &args.svg {
        let picture = match &report.verdict {
            Verdict::Violated(violation) => {
                consistent::picture(&loaded.spec.check, &violation.invariant, &report.history)
            }
            _ => None,
        };
        let Some(picture) = picture else {
            screen::say(format_args!(
                "error: there is nothing to draw: no consistency check of the spec (linearizable, causal, ..) found this run wrong"
            ));
            return Ok(Exit::Usage);
        };
        if let Err(error) = std::fs::write(path, picture) {
            screen::say(format_args!("error: the picture cannot be written to {}: {error}", path.display()));
            return Ok(Exit::Usage);
        }
        writeln!(out, "drawn in {}", path.display())?;
    }
    Ok(exit(&loaded.spec, report))
}

fn exit(spec: &Spec, report: &RunReport) -> Exit {
    match report.verdict {
        Verdict::Undecided { .. } | Verdict::Interrupted { .. } => Exit::Undecided,
        _ if is_expected(spec, report) => Exit::AsExpected,
        _ => Exit::Failed,
    }
}

/// For the plan of a run that was recorded: whether this is that run.
fn as_recorded(spec: &Spec, report: &RunReport) -> Option<String> {
    let plan = spec.plan.as_ref().filter(|plan| report.run == plan.run())?;
    let recorded = plan.digest.as_ref()?;
    Some(match *recorded == report.digest.to_string() {
        true => "it is the run that was recorded".to_owned(),
        false => format!("it is not the run that was recorded: its digest was {recorded}"),
    })
}

/// Which log lines are shown: those that are asked for, here or in the environment.
fn filter(args: &ReplayArgs) -> Result<Filter, String> {
    if let Some(filter) = &args.log {
        return Ok(filter.clone());
    }
    match std::env::var("RUST_LOG") {
        Ok(text) if !text.trim().is_empty() => {
            text.parse().map_err(|error| format!("RUST_LOG: {error}. `--log FILTER` goes before it"))
        }
        _ => Ok(Filter::default()),
    }
}

fn lines(count: u64) -> String {
    format!("{} of the log {}", crate::explore::count(count, "line"), if count == 1 { "is" } else { "are" })
}

/// What is not shown.
#[derive(Default)]
struct Hidden {
    records: usize,
    /// Of the log.
    lines: u64,
}

/// What stands between records.
enum Between<'a> {
    Message(&'a Traced),
    Logged(&'a Logged),
}

impl Between<'_> {
    fn place(&self) -> (u64, Duration) {
        match self {
            Between::Message(traced) => (traced.after, traced.at),
            Between::Logged(line) => (line.after, line.at),
        }
    }
}

/// Writes the records that are to be shown, with the lines of the trace and the log between them. Returns how many of them are not shown.
fn write_history(
    out: &mut impl Write,
    args: &ReplayArgs,
    filter: &Filter,
    report: &RunReport,
) -> io::Result<Hidden> {
    let mut hidden = Hidden { records: 0, lines: report.log.unwanted };
    let (wanted, unwanted): (Vec<_>, Vec<_>) = report.log.lines.iter().partition(|line| filter.wants(line));
    hidden.lines += unwanted.len() as u64;
    let traced = report.trace.iter().map(Between::Message);
    let mut between: Vec<_> = traced.chain(wanted.into_iter().map(Between::Logged)).collect();
    between.sort_by_key(Between::place);
    let mut between = between.into_iter().peekable();
    for record in &report.history {
        while let Some(next) = between.next_if(|next| next.place().0 <= record.seq) {
            write_between(out, args, &next)?;
        }
        if shows(args, record) {
            let evidence =
                matches!(&report.verdict, Verdict::Violated(v) if v.evidence.contains(&record.seq));
            let mark = if evidence { Style::Bad.paint(">") } else { Style::Faint.paint(" ") };
            writeln!(out, "{mark} {}", Line(record))?;
        } else {
            hidden.records += 1;
        }
    }
    for next in between {
        write_between(out, args, &next)?;
    }
    Ok(hidden)
}

/// Writes a line of the trace or of the log, if it is to be shown.
fn write_between(out: &mut impl Write, args: &ReplayArgs, next: &Between<'_>) -> io::Result<()> {
    match next {
        Between::Message(traced) => write_message(out, args, traced),
        Between::Logged(line) => {
            let by_node = args.node.is_empty() || args.node.iter().any(|name| of_node(&line.node, name));
            if by_node && args.until.is_none_or(|until| line.at <= until) {
                writeln!(out, "  {}", record::LogLine(line))?;
            }
            Ok(())
        }
    }
}

/// Writes a line of the trace, if it is to be shown.
fn write_message(out: &mut impl Write, args: &ReplayArgs, traced: &Traced) -> io::Result<()> {
    let nodes = traced.event.nodes();
    let by_node =
        args.node.is_empty() || args.node.iter().any(|name| nodes.iter().any(|node| of_node(node, name)));
    let name = message::name(traced);
    let by_event = args.events.is_empty() || args.events.iter().any(|text| name.contains(text.as_str()));
    if by_node && by_event && args.until.is_none_or(|until| traced.at <= until) {
        writeln!(out, "  {}", message::Line(traced))?;
    }
    Ok(())
}

fn shows(args: &ReplayArgs, record: &Record) -> bool {
    let node = || record::node(record).unwrap_or_default();
    let by_node = args.node.is_empty() || args.node.iter().any(|name| of_node(&node(), name));
    let by_event = args.events.is_empty()
        || args.events.iter().any(|text| record::event(record).contains(text.as_str()));
    by_node && by_event && args.until.is_none_or(|until| record.at <= until)
}

/// What `--node` names and nothing in the run is called, if there is such: in words, with what there is.
fn strange_node(args: &ReplayArgs, report: &RunReport) -> Option<String> {
    let nodes: BTreeSet<String> = report.history.iter().filter_map(record::node).collect();
    // A run that left no history says nothing of who was there.
    let strange =
        args.node.iter().find(|name| !nodes.is_empty() && !nodes.iter().any(|node| of_node(node, name)))?;
    let there: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let meant = did_you_mean(strange, nodes.iter().map(|node| node.split('[').next().unwrap_or(node)));
    let meant = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
    Some(format!(
        "there is no node `{strange}` in this run, nor a group of that name: --node takes {}{meant}",
        there.join(", ")
    ))
}

/// Whether a node's name, as `payments[1]`, is this one, or that of a member of this group.
fn of_node(node: &str, wanted: &str) -> bool {
    node.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Fields, Kind},
        trace::{MessageFate, MessageKind, TraceEvent, TracedCall, TracedSync},
    };

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Two records, with a packet, a call and a sync before, between and after them.
    fn report() -> RunReport {
        let mut report = RunReport::lost(1.into(), Verdict::Passed);
        for (seq, node) in [(0, "orders[0]"), (1, "payments[1]")] {
            let kind = Kind::Event {
                node: node.into(),
                incarnation: 1,
                name: "saga.step".into(),
                fields: Fields::new(),
            };
            report.history.push(Record { seq, at: ms(10 * (seq + 1)), kind });
        }
        let message = |number, fate| TraceEvent::Message {
            from: "orders[0]".into(),
            to: "payments[1]".into(),
            kind: MessageKind::Data,
            number,
            bytes: 84,
            fate,
        };
        let call = TracedCall {
            from: "clients[0]".into(),
            to: "orders[0]".into(),
            method: "place".into(),
            number: 3,
        };
        let sync = TracedSync { node: "payments[1]".into(), number: 4 };
        report.trace = vec![
            Traced {
                at: ms(5),
                after: 0,
                event: message(12, MessageFate::Delivered(Duration::from_micros(2_100))),
            },
            Traced { at: ms(15), after: 1, event: message(13, MessageFate::LostToFault) },
            Traced { at: ms(16), after: 1, event: TraceEvent::Called(call) },
            Traced { at: ms(25), after: 2, event: TraceEvent::Sync(sync) },
        ];
        report
    }

    /// What is shown, without colours and with single spaces.
    fn shown(narrow: impl FnOnce(&mut ReplayArgs)) -> Vec<String> {
        let mut args = ReplayArgs {
            spec: "x.yaml".into(),
            case: None,
            seed: Some(1.into()),
            svg: None,
            node: Vec::new(),
            events: Vec::new(),
            until: None,
            digest: false,
            messages: true,
            log: None,
            backtrace: false,
            run_timeout: ms(1),
            worker: super::super::WorkerArgs::default(),
            in_process: false,
        };
        narrow(&mut args);
        let mut out = Vec::new();
        write_history(&mut out, &args, &Filter::default(), &report()).expect("memory takes it");
        let text = screen::plain(&String::from_utf8(out).expect("text"));
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn messages_stand_between_the_records_they_came_between() {
        assert_eq!(
            shown(|_| {}),
            [
                "0.005000s orders[0] -> payments[1] data #12, 84 bytes, arrives after 2.1 ms",
                "0.010000s orders[0] saga.step",
                "0.015000s orders[0] -> payments[1] data #13, 84 bytes, lost by a fault",
                "0.016000s clients[0] -> orders[0] call of place #3 leaves",
                "0.020000s payments[1] saga.step",
                "0.025000s payments[1] sync #4 begins",
            ]
        );
    }

    #[test]
    fn messages_are_narrowed_down_as_records_are() {
        let all = shown(|_| {});
        assert_eq!(shown(|args| args.node = vec!["payments".into()]), [&*all[0], &all[2], &all[4], &all[5]]);
        assert_eq!(shown(|args| args.events = vec!["net.sent data".into()]), [&*all[0], &all[2]]);
        assert_eq!(
            shown(|args| args.events = vec!["rpc".into(), "saga".into()]),
            [&*all[1], &all[3], &all[4]]
        );
        assert_eq!(shown(|args| args.until = Some(ms(15))), all[..3]);
    }
}
