//! `squall explain`: what a run would do, written out as a spec.

use std::{
    io::{self, Write},
    path::Path,
};

use super::{Exit, load};
use crate::{
    inquiry::Inquiry,
    plan::{RunId, Variation},
    screen, shrink,
    spec::title,
};

pub(super) fn explain(
    inquiry: &Inquiry,
    path: &Path,
    case: Option<&str>,
    seed: Option<&RunId>,
) -> io::Result<Exit> {
    let loaded = match inquiry.case(path, case) {
        Ok(loaded) => loaded,
        Err(why) => return load::refuse(why),
    };
    let Some(run) = load::which(&loaded.spec, seed) else { return Ok(Exit::Usage) };
    if let Some(exit) = load::refuse_strangers(inquiry, &loaded.spec, &run)? {
        return Ok(exit);
    }
    let system = &loaded.spec.system;
    let (plan, defaults) = match (inquiry.plan(&loaded.spec, &run), inquiry.defaults(system)) {
        (Ok(plan), Ok(defaults)) => (plan, defaults),
        (Err(why), _) | (_, Err(why)) => return load::unanswered(&why),
    };
    let mut out = Vec::new();
    writeln!(out, "# {}, seed {run}", title(path, loaded.case.as_deref()))?;
    if let Variation::Branched(..) = run.variation {
        // What happens in it up to a moment is up to what another run sets up, which no spec can say.
        writeln!(
            out,
            "# It departs from another run at some moment, so this is no spec: `replay --seed {run}` runs it."
        )?;
        write!(out, "{}", serde_yaml::to_string(&plan).map_err(io::Error::other)?)?;
    } else {
        writeln!(
            out,
            "# All that was drawn is written out: `run` takes it as a spec, and makes this run of it."
        )?;
        write!(out, "{}", shrink::written_out(&defaults, &loaded.spec, &plan, &run))?;
    }
    screen::document(&String::from_utf8_lossy(&out))?;
    Ok(Exit::AsExpected)
}
