//! Finding and loading specs; `squall check`.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde_json::json;

use super::{Exit, Format};
use crate::{
    plan::{RunId, Variation},
    report::{Style, title},
    run,
    spec::{self, Diagnostics, Loaded, Spec},
    system::Registry,
};

/// Loads the specs among these paths whose path contains `filter`.
///
/// # Errors
/// The errors of each file that has some, in order.
pub(super) fn specs(
    registry: &Registry,
    paths: &[PathBuf],
    filter: Option<&str>,
) -> Result<Vec<Loaded>, Vec<Diagnostics>> {
    let files = spec::discover(paths).map_err(|error| vec![error])?;
    let mut loaded = Vec::new();
    let mut errors = Vec::new();
    for file in files {
        if filter.is_some_and(|text| !file.to_string_lossy().contains(text)) {
            continue;
        }
        match spec::load_cases(&file, registry) {
            Ok(cases) => loaded.extend(cases),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(loaded) } else { Err(errors) }
}

/// The run that is meant: the one that is asked for, or the only one that there is. If it is none of this spec's, says so.
pub(super) fn which(spec: &Spec, asked: Option<&RunId>) -> Option<RunId> {
    let own = spec.plan.as_ref().map(|plan| plan.run());
    let (run, own) = match (asked, own) {
        (None, Some(own)) => return Some(own),
        (Some(run), None) => return Some(run.clone()),
        (Some(run), Some(own)) if run.is_of(&own) => return Some(run.clone()),
        (Some(run), Some(own)) => (run, own),
        (None, None) => {
            anstream::eprintln!(
                "error: which run? Say `--seed 17`, or the run's name as reports print it (`--seed swarm:17`)"
            );
            return None;
        }
    };
    anstream::eprintln!(
        "error: the spec has a plan, which is that of run {own} alone, and run {run} is none of it: leave it out, or name the spec that \
         the plan was made of"
    );
    None
}

/// Says what is left out in a run and is no part of its plan, if anything is.
pub(super) fn refuse_strangers(registry: &Registry, spec: &Spec, run: &RunId) -> Option<Exit> {
    // Only what departs from another run can speak of what is not there.
    if !matches!(run.variation, Variation::Branched(..)) {
        return None;
    }
    let stranger = run::explain(registry, spec, run).stranger(spec)?;
    anstream::eprintln!("error: {stranger}");
    Some(Exit::Usage)
}

/// Shows what is wrong with specs, on standard error.
pub(super) fn complain(errors: &[Diagnostics]) -> io::Result<Exit> {
    let mut err = anstream::stderr().lock();
    for error in errors {
        writeln!(err, "{}", error.render(true))?;
    }
    Ok(Exit::Usage)
}

/// `squall check`.
pub(super) fn check(registry: &Registry, paths: &[PathBuf], format: Format) -> io::Result<Exit> {
    let mut out = anstream::stdout().lock();
    match (specs(registry, paths, None), format) {
        (Ok(loaded), Format::Human) => {
            for spec in &loaded {
                let title = title(&spec.path, spec.case.as_deref());
                writeln!(out, "{}  {title}", Style::Good.paint("ok"))?;
            }
            Ok(Exit::AsExpected)
        }
        (Ok(loaded), Format::Json) => {
            for spec in &loaded {
                writeln!(
                    out,
                    "{}",
                    json!({ "kind": "ok", "spec": spec.path.display().to_string(), "case": spec.case })
                )?;
            }
            Ok(Exit::AsExpected)
        }
        (Err(errors), Format::Human) => complain(&errors),
        (Err(errors), Format::Json) => {
            for mut object in errors.iter().flat_map(Diagnostics::to_json) {
                object["kind"] = "error".into();
                writeln!(out, "{object}")?;
            }
            Ok(Exit::Usage)
        }
    }
}
