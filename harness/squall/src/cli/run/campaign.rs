//! What a `squall run` is to do: from its arguments, or from the journal that it goes on with.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use super::super::{
    Exit, RunArgs,
    load::{self, Specs},
};
use crate::{
    explore::journal::{Asked, Error, Journal, SpecEntry},
    inquiry::{Inquiry, Unread},
    screen,
    spec::{Loaded, title},
};

/// A campaign that can begin.
pub(super) struct Campaign {
    /// In the order in which they are explored.
    pub specs: Vec<Loaded>,
    /// Of these nothing can be said.
    pub unread: Vec<Unread>,
    pub asked: Asked,
    pub journal: Option<Journal>,
}

/// Loads the specs and opens the journal. If there is something wrong with either, tells so and gives the exit code.
pub(super) fn campaign(inquiry: &Inquiry, args: &RunArgs) -> io::Result<Result<Campaign, Exit>> {
    match &args.resume {
        Some(path) => resume(inquiry, path),
        None => begin(inquiry, args),
    }
}

fn begin(inquiry: &Inquiry, args: &RunArgs) -> io::Result<Result<Campaign, Exit>> {
    let Specs { loaded: specs, wrong, unread } = load::specs(inquiry, &args.paths, args.filter.as_deref());
    if !wrong.is_empty() {
        return load::complain(&wrong, &unread).map(Err);
    }
    let asked = Asked {
        directory: env::current_dir().unwrap_or_default(),
        specs: specs.iter().map(SpecEntry::of).collect(),
        unread: unread.clone(),
        seeds: args.seeds,
        strategy: (!args.strategy.is_empty()).then(|| args.strategy.clone()),
        run_timeout: args.run_timeout,
        max_failures: args.max_failures,
        shrink: !args.no_shrink && !args.in_process,
    };
    let options = asked.options(None);
    if unread.is_empty() && specs.iter().all(|spec| options.seeds_for(&spec.spec).count() == 0) {
        let what = if specs.is_empty() { "no spec" } else { "no seed" };
        screen::say(format_args!(
            "error: {what} was selected: --filter and --seeds choose, `squall list` shows what there is"
        ));
        return Ok(Err(Exit::Nothing));
    }
    let journal = match args.journal.as_deref().map(|path| Journal::create(path, &asked)).transpose() {
        Ok(journal) => journal,
        Err(error) => return Ok(Err(refused(&error))),
    };
    Ok(Ok(Campaign { specs, unread, asked, journal }))
}

fn resume(inquiry: &Inquiry, path: &Path) -> io::Result<Result<Campaign, Exit>> {
    let (mut journal, asked) = match Journal::open(path) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(refused(&error))),
    };
    let mut files: Vec<PathBuf> = asked.specs.iter().map(|spec| spec.path.clone()).collect();
    files.dedup();
    let Specs { loaded: specs, wrong, unread } = load::specs(inquiry, &files, None);
    if !wrong.is_empty() {
        let exit = load::complain(&wrong, &unread)?;
        let (journal, directory) = (path.display(), asked.directory.display());
        screen::say(format_args!(
            "note: {journal} is a journal of specs in {directory}: was it begun from there?"
        ));
        return Ok(Err(exit));
    }
    // Those could be read when the campaign began.
    if !unread.is_empty() {
        return load::complain(&[], &unread).map(Err);
    }
    let specs = match as_they_were(specs, &asked.specs, path) {
        Ok(specs) => specs,
        Err(error) => return Ok(Err(refused(&error))),
    };
    match journal.repair() {
        Ok(false) => {}
        Ok(true) => screen::say(format_args!(
            "note: {}: the last line was not written to its end, and is cut off; its run is executed again",
            path.display()
        )),
        Err(error) => return Ok(Err(refused(&error))),
    }
    let unread = asked.unread.clone();
    Ok(Ok(Campaign { specs, unread, asked, journal: Some(journal) }))
}

/// The specs that are asked for, if they still say what they said.
fn as_they_were(mut loaded: Vec<Loaded>, asked: &[SpecEntry], journal: &Path) -> Result<Vec<Loaded>, Error> {
    let take = |asked: &SpecEntry| -> Result<Loaded, Error> {
        let title = title(&asked.path, asked.case.as_deref());
        let at = loaded.iter().position(|spec| spec.path == asked.path && spec.case == asked.case);
        let Some(at) = at else { return Err(Error::other_spec(journal, &title, "is gone")) };
        let spec = loaded.remove(at);
        if SpecEntry::of(&spec) != *asked {
            return Err(Error::other_spec(journal, &title, "has changed"));
        }
        Ok(spec)
    };
    asked.iter().map(take).collect()
}

/// Tells why a journal is not taken.
fn refused(error: &Error) -> Exit {
    screen::say(format_args!("{error}"));
    Exit::Usage
}
