//! The line to paste that shows a run again.

use std::{env, ffi::OsStr, path::Path};

use crate::plan::RunId;

/// Which run a test target replays rather than run its specs, and which case of a matrix.
pub(crate) const REPLAY: &str = "SQUALL_REPLAY";
pub(crate) const CASE: &str = "SQUALL_CASE";

/// How this program is called by a person: a prefix of commands to paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reproduce {
    program: String,
    /// The one test that is called, if it is a test target rather than a program with commands.
    test: Option<String>,
}

impl Reproduce {
    /// From the way this process was started: through `cargo run`, or by its path.
    pub(crate) fn detect() -> Self {
        if env::var_os("CARGO").is_some() && env::var_os("CARGO_PKG_NAME").is_some() {
            return Self::through_cargo();
        }
        let program = env::args_os().next().unwrap_or_else(|| "squall".into());
        Reproduce { program: quoted(&program), test: None }
    }

    /// Through cargo, with the profile that this was built with: overflow checks and debug assertions make for other runs.
    fn through_cargo() -> Self {
        let profile = if cfg!(debug_assertions) { "" } else { " --release" };
        Reproduce { program: format!("cargo run{profile} --"), test: None }
    }

    /// From a test of a test target: which of its package's programs has commands, if any, cannot be known there, but it can replay runs itself.
    pub(crate) fn through_test(test: &str) -> Self {
        let executable = env::current_exe().unwrap_or_default();
        let package = env::var("CARGO_PKG_NAME").ok();
        Reproduce { program: test_target(&executable, package.as_deref()), test: Some(test.to_owned()) }
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
        if let Some(test) = &self.test {
            let case = case.map_or(String::new(), |case| format!("{CASE}={} ", quoted(case.as_ref())));
            return format!(
                "{REPLAY}={} {case}{} --exact {} --nocapture",
                quoted(run.to_string().as_ref()),
                self.program,
                quoted(test.as_ref())
            );
        }
        let case = case.map_or(String::new(), |case| format!(" --case {}", quoted(case.as_ref())));
        format!(
            "{} replay {}{case} --seed {}",
            self.program,
            quoted(spec.as_os_str()),
            quoted(run.to_string().as_ref())
        )
    }
}

/// The command that calls a test target, with its arguments to follow: by cargo, from anywhere in the workspace, if its executable lies where cargo
/// puts it (`target/PROFILE/deps/NAME-HASH`), else by its path.
fn test_target(executable: &Path, package: Option<&str>) -> String {
    let by_cargo = || {
        let (name, hash) = executable.file_stem()?.to_str()?.rsplit_once('-')?;
        let is_hash = hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        let deps = executable.parent().filter(|deps| is_hash && deps.ends_with("deps"))?;
        let profile = match deps.parent()?.file_name()?.to_str()? {
            "debug" => String::new(),
            "release" => " --release".to_owned(),
            other => format!(" --profile {}", quoted(other.as_ref())),
        };
        Some(format!(
            "cargo test{profile} -p {} --test {} --",
            quoted(package?.as_ref()),
            quoted(name.as_ref())
        ))
    };
    by_cargo().unwrap_or_else(|| quoted(executable.as_os_str()))
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
        let squall = Reproduce { program: "squall".to_owned(), test: None };
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

    /// `cargo run` was said of packages that have no program, several, or one without commands.
    #[test]
    fn a_test_target_replays_its_runs_itself() {
        let target = |path: &str, package: Option<&str>| test_target(Path::new(path), package);
        let hash = "0123456789abcdef";
        assert_eq!(
            target(&format!("/w/target/debug/deps/my-specs-{hash}"), Some("shop")),
            "cargo test -p shop --test my-specs --"
        );
        assert_eq!(
            target(&format!("/w/target/x86_64-unknown-linux-gnu/release/deps/specs-{hash}"), Some("shop")),
            "cargo test --release -p shop --test specs --"
        );
        assert_eq!(
            target(&format!("/w/target/ci/deps/specs-{hash}"), Some("shop")),
            "cargo test --profile ci -p shop --test specs --"
        );
        let alone = format!("/w/target/debug/deps/specs-{hash}");
        assert_eq!(target(&alone, None), alone);
        assert_eq!(target("/opt/my specs", Some("shop")), "'/opt/my specs'");
        let program = "cargo test -p shop --test specs --".to_owned();
        let test = Reproduce { program, test: Some("specs::a".to_owned()) };
        assert_eq!(
            test.replay(Path::new("specs/a.yaml"), Some("style=a b"), &17.into()),
            "SQUALL_REPLAY=17 SQUALL_CASE='style=a b' cargo test -p shop --test specs -- --exact specs::a --nocapture"
        );
    }
}
