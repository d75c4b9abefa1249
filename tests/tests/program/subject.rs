//! Starting the program under test.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::ROLE;

/// The directory of specs that a test target under test has; set together with [`ROLE`].
const SPECS: &str = "SQUALL_TESTS_SPECS";

pub fn specs_under_test() -> OsString {
    env::var_os(SPECS).expect("it is set together with the role")
}

fn this(role: &str) -> Command {
    at(&env::current_exe().expect("this executable has a path"), role)
}

fn at(executable: &Path, role: &str) -> Command {
    let mut command = Command::new(executable);
    command
        .env(ROLE, role)
        .env("NO_COLOR", "1")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg0("squall")
        .stdin(Stdio::null());
    // What cargo, nextest or a person has set is not for the program under test.
    for name in ["CARGO", "NEXTEST", "SQUALL_SEED", "SQUALL_SEEDS", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command
}

/// `squall` with these arguments, in the directory of this crate.
pub fn squall(args: &[&str]) -> Command {
    let mut command = this("squall");
    command.args(args);
    command
}

/// The same, of a copy of the program.
pub fn squall_at(executable: &Path, args: &[&str]) -> Command {
    let mut command = at(executable, "squall");
    command.args(args);
    command
}

/// The same command, started by a shell, which finds it as `"$0" "$@"`.
pub fn through_a_shell(command: &Command, how: &str) -> Ended {
    let mut shell = Command::new("sh");
    shell.args(["-c", how]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().expect("it is set")).stdin(Stdio::null());
    run(shell)
}

/// `squall` with the systems that ship.
pub fn systems(args: &[&str]) -> Command {
    let mut command = this("systems");
    command.args(args);
    command
}

/// A test target over this directory of specs.
pub fn specs(directory: impl AsRef<Path>, args: &[&str]) -> Command {
    let mut command = this("specs");
    command.env(SPECS, directory.as_ref()).args(args);
    command
}

/// A spec of its own, and its path.
pub fn written(spec: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("spec.yaml");
    std::fs::write(&file, spec).expect("a file");
    let path = file.to_str().expect("a plain path").to_owned();
    (directory, path)
}

/// The fixtures of this name.
pub fn fixtures(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// What a program did.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Requires this exit code.
    #[track_caller]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "out:\n{}\nerr:\n{}", self.out, self.err);
        self
    }

    /// Requires that this was printed.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "not in the output: {text}\nout:\n{}\nerr:\n{}", self.out, self.err);
        self
    }

    /// Standard output as JSON lines.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.err));
        self.out.lines().map(parse).collect()
    }

    /// The objects of one kind.
    #[track_caller]
    pub fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.json().into_iter().filter(|object| object["kind"] == kind).collect()
    }

    /// What it reported, without what is measured.
    #[track_caller]
    pub fn reported(&self) -> Vec<Value> {
        let mut objects = self.json();
        for object in &mut objects {
            let fields = object.as_object_mut().expect("an object");
            fields.remove("wall_us");
            fields.remove("seconds");
        }
        objects
    }

    /// The names and digests of all runs, in order.
    #[track_caller]
    pub fn digests(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        self.of_kind("run").iter().map(|run| (text(&run["run"]), text(&run["digest"]))).collect()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("the output is UTF-8"),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Ended {
    command.output().expect("the program starts").into()
}
