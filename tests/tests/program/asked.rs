//! Code of a system that is called outside of any run (what groups it has, how an operation is made simpler) costs the spec that needs it,
//! whatever it does to its process, and nothing else.

use std::{
    fs,
    process::{Command, Stdio},
};

use squall_tests::{ENDLESS, IMP};

use crate::subject::{Ended, fixtures, run, specs, squall, through_a_shell};

const POKE: &str = "fixtures/imp/poke.yaml";
const PLANNED: &str = "fixtures/lib/imp_planned.yaml";

/// What a system may do to a process, and what is told of it.
const DEEDS: [(&str, &str); 5] = [
    ("exit", "ended its process: exit code 0"),
    ("panic", "panicked at tests/src/lib.rs:"),
    ("abort", "ended its process: signal 6 (SIGABRT)\nthe gremlin aborts"),
    ("overflow", "ended its process: signal 6 (SIGABRT)"),
    ("hang", "did not return within 1s"),
];

/// Where it may do so, and how that is called.
const PLACES: [(&str, &str); 10] = [
    ("params", "`Params` (its Default, Deserialize and Serialize)"),
    ("groups", "`groups`"),
    ("operations", "`operations`"),
    ("invariants", "`invariants`"),
    ("conditions", "`conditions`"),
    ("events", "`events`"),
    ("flaws", "`flaws`"),
    ("methods", "`methods`"),
    ("transport", "`transport`"),
    ("variant", "`apply_variant`"),
];

/// The program with an imp that does this.
fn with_imp(mut command: Command, does: &str) -> Command {
    command.env(IMP, does);
    command
}

fn imp(does: &str, args: &[&str]) -> Ended {
    run(with_imp(squall(args), does))
}

/// A campaign of two specs, of which the imp's cannot be read: why not.
#[track_caller]
fn why_unread(does: &str, spec: &str) -> String {
    let args = ["run", spec, "fixtures/calm.yaml", "--seeds", "2", "--run-timeout", "1s", "--format", "json"];
    let ended = imp(does, &args).with(3);
    let verdict = |name: &str| {
        let specs = ended.of_kind("spec");
        let spec = specs.into_iter().find(|spec| spec["spec"] == name);
        spec.unwrap_or_else(|| panic!("{does}: no verdict on {name}: {}", ended.out))
    };
    assert_eq!(verdict("fixtures/calm.yaml")["verdict"], "passed", "{does}: {}", ended.out);
    let of_imp = verdict(spec);
    assert_eq!(of_imp["verdict"], "undecided", "{does}: {}", ended.out);
    of_imp["reason"].as_str().expect("a reason").to_owned()
}

pub fn wherever_a_system_ends_its_process_that_spec_is_undecided() {
    for (place, called) in PLACES {
        let told =
            format!("the spec cannot be read: {called} of the system `imp` ended its process: exit code 0");
        let why = why_unread(&format!("{place} exit"), PLANNED);
        assert!(why.starts_with(&told), "{place}: {why}");
    }
    let why = why_unread("op exit", PLANNED);
    assert!(why.contains("`Op` (its Deserialize) of the system `imp` ended its process"), "{why}");
}

pub fn whatever_a_system_does_when_it_is_asked_is_told() {
    for (deed, told) in DEEDS {
        let why = why_unread(&format!("groups {deed}"), POKE);
        assert!(why.contains(&format!("`groups` of the system `imp` {told}")), "{deed}: {why}");
    }
    // A person reads it too, under the verdicts.
    imp("groups exit", &["run", POKE, "fixtures/calm.yaml"])
        .with(3)
        .says("UNDECIDED fixtures/imp/poke.yaml: the spec cannot be read: `groups` of the system `imp`")
        .says("1 passed, 1 undecided");
}

pub fn a_campaign_that_is_gone_on_with_knows_what_it_could_not_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = directory.path().join("a.journal");
    let journal = journal.to_str().expect("text");
    let told = "UNDECIDED fixtures/imp/poke.yaml: the spec cannot be read: `groups` of the system `imp`";
    let begun = ["run", POKE, "fixtures/calm.yaml", "--journal", journal];
    imp("groups exit", &begun).with(3).says(told);
    run(squall(&["run", "--resume", journal])).with(3).says(told).says("1 passed, 1 undecided");
    // One that cannot be read any more is not left out.
    fs::remove_file(journal).expect("it was made");
    imp("nothing", &begun).with(1);
    let ended = imp("groups exit", &["run", "--resume", journal]).with(3);
    assert!(ended.err.contains("`groups` of the system `imp` ended its process"), "{}", ended.err);
}

/// The commands that have to know something of a system.
const COMMANDS: [&[&str]; 11] = [
    &["run", POKE],
    &["check", POKE],
    &["check", POKE, "--format", "json"],
    &["explain", POKE, "--seed", "1"],
    &["list", "fixtures/imp"],
    &["describe", "imp"],
    &["schema"],
    &["replay", POKE, "--seed", "1"],
    &["shrink", POKE],
    &["diff", POKE, "1"],
    &["blame", POKE, "--seed", "1"],
];

#[track_caller]
fn names_the_culprit(ended: Ended, args: &[&str], told: &str) {
    let ended = ended.with(3);
    let said = format!("`groups` of the system `imp` {told}");
    assert!(ended.out.contains(&said) || ended.err.contains(&said), "{args:?}: {} {}", ended.out, ended.err);
}

pub fn no_command_ends_as_if_all_were_well() {
    for args in COMMANDS.into_iter().chain([&["bugs", PLANNED][..], &["bugs", POKE, "--across"]]) {
        names_the_culprit(imp("groups exit", args), args, "ended its process: exit code 0");
    }
    // The other systems are listed all the same.
    imp("groups exit", &["list", "fixtures/calm.yaml"]).with(3).says("gremlin").says("Nothing happens");
}

pub fn no_command_waits_for_ever() {
    let asking =
        COMMANDS.into_iter().filter(|args| ["check", "explain", "describe", "schema"].contains(&args[0]));
    let asking: Vec<_> = asking
        .map(|args| {
            let mut command = with_imp(squall(args), "groups hang");
            (args, command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts"))
        })
        .collect();
    for (args, child) in asking {
        let ended = Ended::from(child.wait_with_output().expect("it ends"));
        names_the_culprit(ended, args, "did not return within 10s");
    }
}

pub fn a_test_fails_and_says_why() {
    for (deed, told) in DEEDS.into_iter().filter(|(deed, _)| *deed != "hang") {
        let ended =
            run(with_imp(specs(fixtures("imp"), &["imp::poke", "--exact"]), &format!("groups {deed}")));
        let ended = ended.with(101);
        let told = told.lines().next().expect("a line");
        let told = format!(
            "tests/fixtures/imp/poke.yaml: the spec cannot be read: `groups` of the system `imp` {told}"
        );
        assert!(ended.out.contains(&told), "{deed}: {}", ended.out);
    }
}

pub fn a_step_of_shrinking_that_harms_its_process_is_left_out() {
    for (deed, told) in DEEDS {
        let ended = imp(&format!("simplify {deed}"), &["shrink", POKE, "--run-timeout", "1s"]).with(3);
        let said = format!(
            "not everything could be made simpler: the strategy of operation `poke` of the system `imp` {told}"
        );
        assert!(ended.err.contains(&said), "{deed}: {}", ended.err);
        // The rest is made as small as ever.
        assert!(
            ended.out.contains("poke:\n        hard: 100") && ended.out.contains("# 0 of 0"),
            "{}",
            ended.out
        );
    }
    imp("simplify exit", &["run", POKE])
        .with(1)
        .says("not everything could be made simpler: the strategy of operation `poke` of the system `imp`")
        .says("keep it: ");
    // What takes a step too far is kept from taking the last one that failed.
    let ended = imp("complicate exit", &["shrink", POKE]).with(3);
    assert!(ended.out.contains("hard: 10\n"), "{}", ended.out);
    let ended = imp("nothing", &["shrink", POKE]).with(0);
    assert!(ended.out.contains("hard: 10\n"), "{}", ended.out);
}

pub fn a_strategy_without_an_end_comes_to_one() {
    let ended = imp(ENDLESS, &["shrink", POKE]).with(3);
    assert!(ended.err.contains("of operation `poke` of the system `imp` comes to no end"), "{}", ended.err);
    assert!(ended.out.contains("hard: 100"), "{}", ended.out);
}

pub fn a_strategy_that_ends_its_process_costs_the_runs_it_draws() {
    let ended = imp("strategy exit", &["run", POKE, "--format", "json"]).with(1);
    let runs = ended.of_kind("run");
    assert!(runs.len() == 2 && runs.iter().all(|run| run["verdict"] == "died"), "{}", ended.out);
    for command in ["explain", "shrink"] {
        let ended = imp("strategy exit", &[command, POKE, "--seed", "1"]).with(3);
        let told = "the strategy of operation `poke` of the system `imp` ended its process: exit code 0";
        assert!(ended.err.contains(told), "{command}: {}", ended.err);
    }
}

pub fn in_process_a_verdict_is_not_cut_short() {
    for (deed, how) in [("exit", "exit code 0"), ("abort", "SIGABRT")] {
        let spec = format!("fixtures/harm/{deed}.yaml");
        let ended = run(squall(&["run", &spec, "--in-process"])).with(70);
        assert!(ended.err.contains("code under test ended the process ("), "{}", ended.err);
        assert!(ended.err.contains(how) && ended.err.contains("before there was a verdict"), "{}", ended.err);
    }
    let replay = imp("strategy exit", &["replay", POKE, "--seed", "1", "--in-process"]).with(70);
    assert!(replay.err.contains("before there was a verdict"), "{}", replay.err);
}

/// Whatever it does to descriptors 1 and 2: a verdict is told, or there is none.
pub fn in_process_a_verdict_is_told() {
    run(squall(&["run", "fixtures/harm/close_streams.yaml", "--in-process"])).with(0).says("12 runs");
    let ended = run(squall(&["run", "fixtures/harm/close_all.yaml", "--in-process"])).with(70);
    assert!(ended.err.contains("before there was a verdict"), "{}", ended.err);
}

/// As `>&-` leaves it.
pub fn without_an_output_there_is_no_verdict() {
    let command = squall(&["run", "fixtures/calm.yaml"]);
    let ended = through_a_shell(&command, "exec \"$0\" \"$@\" >&-").with(3);
    assert!(ended.err.contains("standard output is closed"), "{}", ended.err);
}
