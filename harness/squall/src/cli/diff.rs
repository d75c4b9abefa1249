//! `squall diff`: where two runs part, or a failing run and the nearest one that passes.

use std::{
    io::{self, Write},
    path::Path,
};

use super::{DiffArgs, Exit, Format, load};
use crate::{
    blame::Runner,
    diff::{Neighbour, differences, neighbour, shared},
    inquiry::{Inquiry, NotLoaded},
    plan::RunId,
    pool::Pool,
    report::diff::Diff,
    run::RunReport,
    screen,
    spec::Loaded,
    spec::title,
};

pub(super) fn diff(inquiry: &Inquiry, args: &DiffArgs) -> io::Result<Exit> {
    let loaded = match inquiry.case(&args.spec, args.case.as_deref()) {
        Ok(loaded) => loaded,
        Err(why) => return load::refuse(why),
    };
    let pool = Pool::new(1).with_memory(args.worker.memory);
    let mut runner = Runner::new(&pool, &loaded.spec, args.run_timeout);
    if is_spec(&args.one) {
        return two_specs(inquiry, &pool, args, &loaded);
    }
    let one: RunId = match args.one.parse() {
        Ok(run) => run,
        Err(why) => return usage(&why),
    };
    for run in [Some(&one), args.other.as_ref()].into_iter().flatten() {
        if load::which(&loaded.spec, Some(run)).is_none() {
            return Ok(Exit::Usage);
        }
        if let Some(exit) = load::refuse_strangers(inquiry, &loaded.spec, run)? {
            return Ok(exit);
        }
    }
    let a = runner.one(&one);
    let (b, without) = match &args.other {
        Some(other) => (runner.one(other), None),
        None if a.passed() => {
            screen::say(format_args!("seed {one} passed: name the run to compare it with"));
            return Ok(Exit::Nothing);
        }
        None => match neighbour(&mut runner, &a, args.max_runs) {
            Some(Neighbour { report, without }) => (report, Some(without)),
            None => {
                screen::say(format_args!(
                    "seed {one} {}: of {} runs that lack one or two things of it, or whole faults, none passes (--max-runs)",
                    a.verdict.headline(),
                    runner.runs - 1
                ));
                return Ok(Exit::Nothing);
            }
        },
    };
    let plan = |report: &RunReport| inquiry.plan(&loaded.spec, &report.run);
    let (plan_a, plan_b) = match (plan(&a), plan(&b)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(why), _) | (_, Err(why)) => return load::unanswered(&why),
    };
    let title = title(&args.spec, loaded.case.as_deref());
    show(
        args,
        &Diff {
            specs: [&title, &title],
            shared: shared(&a.history, &b.history),
            differences: differences(&plan_a, &plan_b),
            without: without.as_deref(),
            one: &a,
            other: &b,
        },
    )
}

/// Compares runs of two specs: of each its own, if it is the plan of one, and else the same.
fn two_specs(inquiry: &Inquiry, pool: &Pool, args: &DiffArgs, one: &Loaded) -> io::Result<Exit> {
    let path = Path::new(&args.one);
    let other = match other_spec(inquiry, path, args.case.as_deref()) {
        Ok(loaded) => loaded,
        Err(why) => return load::refuse(why),
    };
    let own = |loaded: &Loaded| loaded.spec.plan.as_ref().map(|plan| plan.run());
    // What a plan was made of is the run to compare it with.
    let origin = |loaded: &Loaded| loaded.spec.plan.as_ref().map(|plan| plan.origin());
    let either = args.other.clone().or_else(|| origin(one)).or_else(|| origin(&other));
    let Some(either) = either else {
        return usage(
            "neither spec is the plan of a run: say which run, as in `squall diff a.yaml b.yaml 17`",
        );
    };
    let [a, b] = [one, &other].map(|loaded| {
        let run = own(loaded).unwrap_or_else(|| either.clone());
        let plan = inquiry.plan(&loaded.spec, &run)?;
        Ok((Runner::new(pool, &loaded.spec, args.run_timeout).one(&run), plan))
    });
    let (a, b) = match (a, b) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(why), _) | (_, Err(why)) => return load::unanswered(&why),
    };
    show(
        args,
        &Diff {
            specs: [&title(&args.spec, one.case.as_deref()), &title(path, other.case.as_deref())],
            shared: shared(&a.0.history, &b.0.history),
            differences: differences(&a.1, &b.1),
            without: None,
            one: &a.0,
            other: &b.0,
        },
    )
}

/// A spec that was written down for one run has no matrix, whatever case it was.
fn other_spec(inquiry: &Inquiry, path: &Path, case: Option<&str>) -> Result<Loaded, NotLoaded> {
    inquiry.case(path, case).or_else(|error| match (case, &error) {
        (Some(_), NotLoaded::Wrong(_)) => inquiry.case(path, None).map_err(|_| error),
        _ => Err(error),
    })
}

fn is_spec(text: &str) -> bool {
    let path = Path::new(text);
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") || path.is_file()
}

fn usage(why: &str) -> io::Result<Exit> {
    screen::say(format_args!("error: {why}"));
    Ok(Exit::Usage)
}

fn show(args: &DiffArgs, diff: &Diff<'_>) -> io::Result<Exit> {
    match args.format {
        Format::Human => write!(screen::out(), "{}", diff.human())?,
        Format::Json => screen::json(&diff.json())?,
    }
    Ok(Exit::AsExpected)
}
