//! Finding and loading specs, and saying why there are none.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use super::Exit;
use crate::{
    inquiry::{Inquiry, NotLoaded, Unanswered, Unread},
    plan::{RunId, Variation},
    screen,
    spec::{Diagnostics, Loaded, Spec},
};

/// What became of the specs that were to be loaded.
#[derive(Default)]
pub(super) struct Specs {
    pub loaded: Vec<Loaded>,
    /// The errors of each file that has some, in order.
    pub wrong: Vec<Diagnostics>,
    /// Those that their system's code let nobody read.
    pub unread: Vec<Unread>,
}

/// Loads the specs among these paths whose path contains `filter`.
pub(super) fn specs(inquiry: &Inquiry, paths: &[PathBuf], filter: Option<&str>) -> Specs {
    let mut specs = Specs::default();
    let files = inquiry.discover(paths).unwrap_or_else(|error| {
        specs.wrong.push(error);
        Vec::new()
    });
    for file in files {
        if filter.is_some_and(|text| !file.to_string_lossy().contains(text)) {
            continue;
        }
        match inquiry.cases(&file) {
            Ok(cases) => specs.loaded.extend(cases),
            Err(NotLoaded::Wrong(errors)) => specs.wrong.push(errors),
            Err(NotLoaded::Unread(unread)) => specs.unread.push(unread),
        }
    }
    specs
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
            screen::say(format_args!(
                "error: which run? Say `--seed 17`, or the run's name as reports print it (`--seed swarm:17`)"
            ));
            return None;
        }
    };
    screen::say(format_args!(
        "error: the spec has a plan, which is that of run {own} alone, and run {run} is none of it: leave it out, or name the spec that \
         the plan was made of"
    ));
    None
}

/// Says what is left out in a run and is no part of its plan, if anything is.
pub(super) fn refuse_strangers(inquiry: &Inquiry, spec: &Spec, run: &RunId) -> io::Result<Option<Exit>> {
    // Only what departs from another run can speak of what is not there.
    if !matches!(run.variation, Variation::Branched(..)) {
        return Ok(None);
    }
    let stranger = match inquiry.plan(spec, run) {
        Ok(plan) => plan.stranger(spec),
        Err(why) => return unanswered(&why).map(Some),
    };
    Ok(stranger.map(|stranger| {
        screen::say(format_args!("error: {stranger}"));
        Exit::Usage
    }))
}

/// Shows what is wrong with specs, and which cannot be read, on standard error.
pub(super) fn complain(wrong: &[Diagnostics], unread: &[Unread]) -> io::Result<Exit> {
    let mut err = screen::err();
    for error in wrong {
        writeln!(err, "{}", screen::ours(&error.render(true)))?;
    }
    for spec in unread {
        writeln!(err, "error: {}: {spec}", spec.path.display())?;
    }
    Ok(if wrong.is_empty() { Exit::Undecided } else { Exit::Usage })
}

/// Says why there is no spec.
pub(super) fn refuse(why: NotLoaded) -> io::Result<Exit> {
    match why {
        NotLoaded::Wrong(errors) => complain(&[errors], &[]),
        NotLoaded::Unread(unread) => complain(&[], &[unread]),
    }
}

/// Says what a system's code has kept from being known.
pub(super) fn unanswered(why: &Unanswered) -> io::Result<Exit> {
    writeln!(screen::err(), "error: {why}")?;
    Ok(Exit::Undecided)
}
