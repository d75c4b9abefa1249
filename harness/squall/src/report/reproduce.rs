//! The line to paste that shows a run again.

use std::{env, ffi::OsStr, path::Path};

use crate::plan::RunId;

/// How this program is called by a person: a prefix of commands to paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reproduce {
    program: String,
}

impl Reproduce {
    /// From the way this process was started: through `cargo run`, or by its path.
    pub(crate) fn detect() -> Self {
        if env::var_os("CARGO").is_some() && env::var_os("CARGO_PKG_NAME").is_some() {
            return Self::through_cargo();
        }
        let program = env::args_os().next().unwrap_or_else(|| "squall".into());
        Reproduce { program: quoted(&program) }
    }

    /// Through cargo, with the profile that this was built with: overflow checks and debug assertions make for other runs.
    pub(crate) fn through_cargo() -> Self {
        let profile = if cfg!(debug_assertions) { "" } else { " --release" };
        Reproduce { program: format!("cargo run{profile} --") }
    }

    /// The command that shrinks a run and keeps it as a regression.
    pub(crate) fn keep(&self, spec: &Path, case: Option<&str>, run: &RunId) -> String {
        self.replay(spec, case, run).replacen(" replay ", " shrink ", 1) + " --save"
    }

    /// The command that runs a spec.
    pub(crate) fn run(&self, spec: &Path) -> String {
        format!("{} run {}", self.program, quoted(spec.as_os_str()))
    }

    /// The command that goes on with a campaign.
    pub(crate) fn resume(&self, journal: &Path) -> String {
        format!("{} run --resume {}", self.program, quoted(journal.as_os_str()))
    }

    /// The command that replays a run.
    pub(crate) fn replay(&self, spec: &Path, case: Option<&str>, run: &RunId) -> String {
        let case = case.map_or(String::new(), |case| format!(" --case {}", quoted(case.as_ref())));
        format!(
            "{} replay {}{case} --seed {}",
            self.program,
            quoted(spec.as_os_str()),
            quoted(run.to_string().as_ref())
        )
    }
}

/// As a shell takes it.
fn quoted(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        let squall = Reproduce { program: "squall".to_owned() };
        assert_eq!(
            squall.replay(Path::new("specs/a-b.yaml"), None, &17.into()),
            "squall replay specs/a-b.yaml --seed 17"
        );
        assert_eq!(
            squall.replay(Path::new("a.yaml"), Some("style=a b,clients=5"), &2.into()),
            "squall replay a.yaml --case 'style=a b,clients=5' --seed 2"
        );
        assert_eq!(
            squall.replay(Path::new("my specs/it's.yaml"), None, &1.into()),
            r"squall replay 'my specs/it'\''s.yaml' --seed 1"
        );
    }
}
