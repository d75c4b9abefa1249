//! Finding and loading specs; `squall check`.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde_json::json;

use super::{Exit, Format};
use crate::{
    report::{Style, title},
    spec::{self, Diagnostics, Loaded},
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
