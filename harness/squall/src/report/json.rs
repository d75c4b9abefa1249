//! What came out as JSON, for programs: one object a line, each with a `kind`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{SpecReport, Tally, failure, word};
use crate::{
    explore::SpecVerdict,
    inquiry::Unread,
    reproduce::Reproduce,
    run::{RunReport, Verdict},
    spec::Loaded,
    spec::model::Expect,
};

/// A run, as it comes.
pub(crate) fn run(loaded: &Loaded, report: &RunReport) -> Value {
    let mut object = json!({
        "kind": "run",
        "spec": loaded.path.display().to_string(),
        "case": loaded.case,
        "seed": report.run.seed,
        "run": report.run,
        "verdict": run_word(&report.verdict),
        "digest": report.digest.to_string(),
        "virtual_ms": report.virtual_time.as_nanos() as f64 / 1e6,
        "wall_us": report.wall_us,
    });
    if let Verdict::Violated(violation) = &report.verdict {
        object["invariant"] = violation.invariant.clone().into();
    }
    object
}

fn run_word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Violated(_) => "violated",
        Verdict::Panicked { .. } => "panicked",
        Verdict::Hung { .. } => "hung",
        Verdict::Died { .. } => "died",
        Verdict::OutOfMemory { .. } => "out_of_memory",
        Verdict::Undecided { .. } => "undecided",
        Verdict::Interrupted { .. } => "interrupted",
    }
}

/// A spec of which nothing can be said.
pub(crate) fn unread(spec: &Unread) -> Value {
    json!({
        "kind": "spec",
        "spec": spec.path.display().to_string(),
        "case": null,
        "verdict": "undecided",
        "reason": spec.to_string(),
        "runs": 0,
    })
}

/// A spec, when it is done.
pub(crate) fn spec(report: &SpecReport<'_>, reproduce: &Reproduce) -> Value {
    let outcome = &report.outcome;
    let reason = match &outcome.verdict {
        SpecVerdict::Passed => Value::Null,
        SpecVerdict::Failed(why) | SpecVerdict::Undecided(why) => why.clone().into(),
        SpecVerdict::Vacuous(vacuities) => {
            vacuities.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ").into()
        }
        SpecVerdict::Nondeterministic(divergence) => divergence.to_string().into(),
    };
    let failing = |run: &RunReport| {
        let violation = match &run.verdict {
            Verdict::Violated(violation) => Some(violation),
            _ => None,
        };
        json!({
            "details": failure::details(&run.verdict),
            "expected": violation.map(|violation| &violation.expected),
            "seen": violation.map(|violation| &violation.seen),
            "evidence": violation.map(|violation| &violation.evidence),
            "seed": run.run.seed,
            "run": run.run,
            "verdict": run_word(&run.verdict),
            "what": run.verdict.headline(),
            "last_record": run.history.last(),
            "polled": run.polled,
            "log": failure::last_said(run).0,
            "replay": report.replay(reproduce, &run.run),
        })
    };
    let first_difference = match &outcome.verdict {
        SpecVerdict::Nondeterministic(divergence) => json!(divergence.first.as_ref().map(|fork| json!({
            "seq": fork.seq,
            "one": fork.one,
            "other": fork.other,
        }))),
        _ => Value::Null,
    };
    json!({
        "kind": "spec",
        "spec": report.path.display().to_string(),
        "case": report.loaded.case,
        "system": report.loaded.spec.system.value,
        "variant": report.loaded.spec.variant.as_ref().map(|variant| &variant.value),
        "expect": match &report.loaded.spec.expect {
            Expect::Pass => json!("pass"),
            Expect::Violates(invariant) => json!({ "violates": invariant.value }),
        },
        "verdict": word(&outcome.verdict),
        "reason": reason,
        "first_difference": first_difference,
        "runs": outcome.runs,
        "seconds": report.elapsed.as_secs_f64(),
        "shrunk": report.shrunk.iter().filter_map(|(run, shrunk)| {
            let shrunk = shrunk.as_ref().ok()?;
            let ((faults, operations), (were_faults, were_operations)) = (shrunk.after(), shrunk.before);
            Some(json!({
                "run": run,
                "faults": faults,
                "operations": operations,
                "of_faults": were_faults,
                "of_operations": were_operations,
                "runs": shrunk.runs,
                "minimal": shrunk.minimal(),
                "stopped": shrunk.stopped.map(|stopped| stopped.to_string()),
                "what": shrunk.report.verdict.headline(),
                "details": failure::details(&shrunk.report.verdict),
                "hindered": shrunk.hindered.as_ref().map(ToString::to_string),
                "keep": report.keep(reproduce, run),
            }))
        }).collect::<Vec<_>>(),
        "distinct_failures": report.distinct_failures().iter().map(|failure| json!({
            "way": failure.way,
            "takes": failure.forms,
            "same_as": failure.key(report),
            "runs": failure.runs.iter().map(|run| &run.run).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "caught": outcome.caught.as_ref().map(failing),
        "failures": outcome.failures.iter().map(failing).collect::<Vec<_>>(),
        "faults": outcome.coverage.faults,
        "exercised": outcome.coverage.exercised,
        "sometimes": outcome.coverage.sometimes,
        "ops": {
            "ok": outcome.coverage.ops[0],
            "failed": outcome.coverage.ops[1],
            "unknown": outcome.coverage.ops[2],
        },
        "states": outcome.coverage.states.len(),
        "failure_bound": outcome.bound(),
        "covered": outcome.statements.iter().map(|said| (said.strategy.name(), &said.numbers)).collect::<BTreeMap<_, _>>(),
        "notes": outcome.notes,
    })
}

/// The last line.
pub(crate) fn summary(tally: Tally, seconds: f64) -> Value {
    json!({
        "kind": "summary",
        "specs": tally.specs(),
        "passed": tally.passed,
        "failed": tally.failed,
        "vacuous": tally.vacuous,
        "undecided": tally.undecided,
        "runs": tally.runs,
        "seconds": seconds,
    })
}
