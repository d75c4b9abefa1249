//! `squall blame`: which faults a failure takes, and which moment settled it.

use std::io::{self, IsTerminal, Write};

use super::{BlameArgs, Exit, Format, load};
use crate::{
    blame::{Limits, NotBlamed, blame as find},
    inquiry::Inquiry,
    pool::Pool,
    report::blame::Told,
    reproduce::Reproduce,
    screen,
};

pub(super) fn blame(inquiry: &Inquiry, args: &BlameArgs) -> io::Result<Exit> {
    let loaded = match inquiry.case(&args.spec, args.case.as_deref()) {
        Ok(loaded) => loaded,
        Err(why) => return load::refuse(why),
    };
    let Some(run) = load::which(&loaded.spec, args.seed.as_ref()) else { return Ok(Exit::Usage) };
    if let Some(exit) = load::refuse_strangers(inquiry, &loaded.spec, &run)? {
        return Ok(exit);
    }
    // Runs are shared out over processes of their own, not over the pool's lanes.
    let pool = Pool::new(1).with_memory(args.worker.memory);
    let limits = Limits { futures: args.futures, runs: args.max_runs, run_timeout: args.run_timeout };
    let terminal = io::stderr().is_terminal();
    let mut watch = |runs: u64| {
        if terminal {
            eprint!("\rseed {run}: {runs} runs   ");
        }
    };
    let found = find(&pool, &loaded.spec, &run, limits, &mut watch);
    if terminal {
        eprint!("\r{:60}\r", "");
    }
    let found = match found {
        Ok(found) => found,
        Err(why) => {
            screen::say(format_args!("seed {run}: {why}"));
            return Ok(match why {
                NotBlamed::NoFailure(_) => Exit::Nothing,
                NotBlamed::NotOneRun { .. } => Exit::Internal,
            });
        }
    };
    let reproduce = Reproduce::detect();
    let told = Told { blame: &found, spec: &args.spec, case: args.case.as_deref(), reproduce: &reproduce };
    match args.format {
        Format::Human => write!(screen::out(), "{}", told.human())?,
        Format::Json => screen::json(&told.json())?,
    }
    Ok(Exit::AsExpected)
}
