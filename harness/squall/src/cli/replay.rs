//! `squall replay` and `squall explain`: one run, seen from inside.

use std::{
    io::{self, Write},
    path::Path,
};

use super::{Exit, ReplayArgs, load};
use crate::{
    explore::{Pool, is_expected},
    history::Record,
    plan::RunId,
    report::{
        Style, failure,
        record::{self, Line},
    },
    run::{self, RunReport, Verdict},
    spec::{self, Spec},
    system::Registry,
    worker::Prints,
};

pub(super) fn replay(registry: &Registry, args: &ReplayArgs) -> io::Result<Exit> {
    let loaded = match spec::load_case(&args.spec, args.case.as_deref(), registry) {
        Ok(loaded) => loaded,
        Err(error) => return load::complain(&[error]),
    };
    let pool = Pool::new(registry, 1, args.in_process);
    let reports =
        pool.run_apart(&loaded.spec, std::slice::from_ref(&args.seed), args.run_timeout, Prints::PassOn);
    let report = reports.first().expect("one seed makes one report");
    let mut out = anstream::stdout().lock();
    if args.digest {
        writeln!(out, "{}  {}", report.digest, failure::headline(&report.verdict))?;
        return Ok(exit(&loaded.spec, report));
    }
    let mut hidden = 0;
    for record in &report.history {
        if shows(args, record) {
            let evidence =
                matches!(&report.verdict, Verdict::Violated(v) if v.evidence.contains(&record.seq));
            let mark = if evidence { Style::Bad.paint(">") } else { Style::Faint.paint(" ") };
            writeln!(out, "{mark} {}", Line(record))?;
        } else {
            hidden += 1;
        }
    }
    if report.history.is_empty() {
        writeln!(
            out,
            "The run left no history: it took its process with it. With --in-process a debugger can follow it."
        )?;
    }
    writeln!(out)?;
    if hidden > 0 {
        writeln!(out, "{hidden} of {} records are not shown.", report.history.len())?;
    }
    let expected = is_expected(&loaded.spec, report);
    let style = if report.passed() { Style::Good } else { Style::Bad };
    writeln!(out, "seed {}: {}", report.run, style.paint(failure::headline(&report.verdict)))?;
    for line in failure::details(&report.verdict).lines() {
        writeln!(out, "  {line}")?;
    }
    if expected && !report.passed() {
        writeln!(out, "  as the spec expects")?;
    }
    writeln!(out, "digest {}, {:?} of virtual time", report.digest, report.virtual_time)?;
    if let Some(line) = as_recorded(&loaded.spec, report) {
        writeln!(out, "{line}")?;
    }
    Ok(exit(&loaded.spec, report))
}

fn exit(spec: &Spec, report: &RunReport) -> Exit {
    match report.verdict {
        Verdict::Undecided { .. } => Exit::Undecided,
        _ if is_expected(spec, report) => Exit::AsExpected,
        _ => Exit::Failed,
    }
}

/// For the plan of a run that was recorded: whether this is that run.
fn as_recorded(spec: &Spec, report: &RunReport) -> Option<String> {
    let plan = spec.plan.as_ref().filter(|plan| report.run == RunId::drawn(*plan.seed))?;
    let recorded = plan.digest.as_ref()?;
    Some(match *recorded == report.digest.to_string() {
        true => "it is the run that was recorded".to_owned(),
        false => format!("it is not the run that was recorded: its digest was {recorded}"),
    })
}

fn shows(args: &ReplayArgs, record: &Record) -> bool {
    let node = || record::node(record).unwrap_or_default();
    let by_node = args.node.is_empty() || args.node.iter().any(|name| of_node(&node(), name));
    let by_event = args.events.is_empty()
        || args.events.iter().any(|text| record::event(record).contains(text.as_str()));
    by_node && by_event && args.until.is_none_or(|until| record.at <= until)
}

/// Whether a node's name, as `payments[1]`, is this one, or that of a member of this group.
fn of_node(node: &str, wanted: &str) -> bool {
    node.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}

pub(super) fn explain(
    registry: &Registry,
    path: &Path,
    case: Option<&str>,
    seed: &RunId,
) -> io::Result<Exit> {
    let loaded = match spec::load_case(path, case, registry) {
        Ok(loaded) => loaded,
        Err(error) => return load::complain(&[error]),
    };
    let plan = run::explain(registry, &loaded.spec, seed);
    let yaml = serde_yaml::to_string(&plan).map_err(io::Error::other)?;
    let mut out = anstream::stdout().lock();
    writeln!(out, "# {}, seed {seed}", path.display())?;
    write!(out, "{yaml}")?;
    Ok(Exit::AsExpected)
}
