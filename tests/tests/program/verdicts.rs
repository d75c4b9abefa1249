//! What becomes of specs: verdicts, exit codes, what is told.

use std::collections::BTreeSet;

use crate::subject::{fixtures, run, specs, squall, written};

pub fn as_expected_is_0() {
    run(squall(&["run", "fixtures/calm.yaml"]))
        .with(0)
        .says("fixtures/calm")
        .says("1/1 event")
        .says("1 spec: 1 passed; 20 runs in");
}

pub fn a_violation_is_1_and_is_told() {
    let ended = run(squall(&["run", "fixtures/harm/strike.yaml"])).with(1);
    // From the failure to the line to paste; what is around it holds times.
    let from = ended.out.find("FAILED fixtures").expect("a block");
    let to = ended.out.find("\n\n1 spec").expect("a summary");
    insta::assert_snapshot!("violation", without_chance(&ended.out[from..to]));
    assert!(
        ended.out.lines().all(|line| line.chars().count() <= 100 || line.contains("fixtures")),
        "{}",
        ended.out
    );
}

/// As a team has it whose service reports under names of its own.
pub fn an_invariant_reads_what_is_called_otherwise() {
    let spec = |check: &str| {
        format!(
            "spec: 1\nsystem: gremlin\nparams: {{ does: print }}\ncheck:\n  - no_gremlin{check}\n\
             phases: {{ warmup: 200ms, chaos: 600ms, settle: 200ms }}\nworkload: {{ ops: 2 }}\nexplore: {{ seeds: 1 }}\n"
        )
    };
    let told = |check: &str, code| {
        let (_directory, spec) = written(&spec(check));
        run(squall(&["run", &spec, "--no-shrink"])).with(code)
    };
    told("", 0);
    told(": { events: { gremlin.struck: gremlin.leaked } }", 1).says("a gremlin struck: number=0");
    let at_length = ": { events: { gremlin.struck: { event: gremlin.leaked, fields: { beat: number } } } }";
    told(at_length, 1).says("a gremlin struck: beat=0");
    // A shrunk one keeps it.
    let (_directory, spec) = written(&spec(at_length));
    let shrunk = run(squall(&["shrink", &spec, "--seed", "0"])).with(0);
    assert!(shrunk.out.contains("beat: number"), "{}", shrunk.out);
}

pub fn a_condition_reads_what_is_called_otherwise() {
    let spec = |that: &str| {
        format!(
            "spec: 1\nsystem: gremlin\nparams: {{ does: print }}\ncheck:\n  - no_gremlin\n  - eventually: {{ within: 100ms, that: {that} }}\n\
             phases: {{ warmup: 200ms, chaos: 600ms, settle: 200ms }}\nworkload: {{ ops: 2 }}\nexplore: {{ seeds: 1 }}\n"
        )
    };
    let (_directory, calm) = written(&spec("quiet"));
    run(squall(&["run", &calm, "--no-shrink"])).with(5).says("eventually quiet never had anything to judge");
    let (_directory, mapped) = written(&spec("{ quiet: { events: { gremlin.struck: gremlin.leaked } } }"));
    let ended = run(squall(&["run", &mapped, "--no-shrink"])).with(1);
    ended.says("eventually quiet violated (never_held)").says("a gremlin has struck");
    let shrunk = run(squall(&["shrink", &mapped, "--seed", "0"])).with(0);
    assert!(shrunk.out.contains("gremlin.struck: gremlin.leaked"), "{}", shrunk.out);
}

pub fn what_is_called_otherwise_must_be_there() {
    let that = |that: &str| format!("eventually: {{ within: 1s, that: {{ {that} }} }}");
    for (check, says) in [
        ("no_gremlin: { events: { gremlin.struck: gremlin.leakd } }", "did you mean `gremlin.leaked`?"),
        (
            "no_gremlin: { events: { gremlin.strck: gremlin.leaked } }",
            "`no_gremlin` reads no event `gremlin.strck`",
        ),
        (
            "no_gremlin: { events: { gremlin.struck: { event: gremlin.leaked, fields: { beet: number } } } }",
            "`gremlin.struck` has no field `beet` to `no_gremlin`",
        ),
        (
            "no_gremlin: { events: { gremlin.struck: { event: gremlin.leaked, fields: { beat: nmber } } } }",
            "`gremlin.leaked` has no field `nmber`",
        ),
        (
            "no_gremlin: { events: { gremlin.struck: gremlin.leaked, gremlin.beat: gremlin.leaked } }",
            "`gremlin.leaked` is two events to `no_gremlin`",
        ),
        ("no_gremlin: { events: {} }", "write `- no_gremlin` alone"),
        ("no_gremlin: { evnts: {} }", "evnts"),
        ("no_gremlin: 3", "no_gremlin"),
        ("no_gremlim: { events: { gremlin.struck: gremlin.leaked } }", "did you mean `no_gremlin`?"),
        ("read_your_writes: { events: { gremlin.struck: gremlin.leaked } }", "reads no events"),
        ("nevr: gremlin.struck", "never"),
        (&that("quiet: { events: { gremlin.struck: gremlin.leakd } }"), "did you mean `gremlin.leaked`?"),
        (
            &that("quiet: { events: { gremlin.strck: gremlin.leaked } }"),
            "`quiet` reads no event `gremlin.strck`",
        ),
        (&that("quiet: { events: {} }"), "write `that: quiet` alone"),
        (&that("quite: { events: { gremlin.struck: gremlin.leaked } }"), "did you mean `quiet`?"),
        (&that("quiet: 3"), "what its events are called"),
        (&that("quiet: gremlin.struck"), "unknown key `quiet`"),
        (
            &that("quiet: { events: { gremlin.struck: gremlin.leaked } }, no: 1"),
            "each `eventually` waits for one thing",
        ),
        (&that("evnt: gremlin.struck"), "did you mean `event`?"),
        (&that("where: { beat: 1 }"), "event"),
    ] {
        let (_directory, spec) = written(&format!("spec: 1\nsystem: gremlin\ncheck:\n  - {check}\n"));
        let ended = run(squall(&["check", &spec])).with(2);
        assert!(ended.err.contains(says) && ended.err.contains(":4"), "{check}: {}", ended.err);
    }
    let twice = "spec: 1\nsystem: gremlin\ncheck:\n  - no_gremlin\n  - no_gremlin: { events: { gremlin.struck: gremlin.leaked } }\n";
    let (_directory, spec) = written(twice);
    assert!(run(squall(&["check", &spec])).with(2).err.contains("two checks are called `no_gremlin`"));
}

/// Without the values that a beat has by chance.
pub fn without_chance(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']).map(|word| match word.split_once('=') {
        Some((name @ ("picked" | "chose" | "second"), value)) => {
            format!("{name}=_{}", value.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ => word.to_owned(),
    });
    words.collect()
}

pub fn replay_shows_the_same_violation_every_time() {
    let failing = run(squall(&["run", "fixtures/harm/strike.yaml", "--format", "json"])).with(1);
    let spec = &failing.of_kind("spec")[0];
    let failure = &spec["failures"][0];
    let line = failure["replay"].as_str().expect("a line to paste");
    let args: Vec<&str> = line.split(' ').skip(1).collect();
    let first = run(squall(&args)).with(1);
    let what = failure["what"].as_str().expect("text");
    assert!(first.out.contains(what), "{what} at the same time in\n{}", first.out);
    for _ in 0..3 {
        assert_eq!(run(squall(&args)).with(1).out, first.out);
    }
    let seed = &failure["seed"];
    let runs = failing.of_kind("run");
    let digest = runs.iter().find(|run| run["seed"] == *seed).expect("its run")["digest"].clone();
    assert!(first.out.contains(digest.as_str().expect("text")), "the digest is the same too");
}

pub fn replay_narrows_what_it_shows() {
    let all = run(squall(&["replay", "fixtures/calm.yaml", "--seed", "1"])).with(0);
    let count = |out: &str, text: &str| out.lines().filter(|line| line.contains(text)).count();
    assert!(
        count(&all.out, "nodes[0]") > 3 && count(&all.out, "nodes[1]") > 3 && count(&all.out, "invoke") == 5
    );
    let one = run(squall(&["replay", "fixtures/calm.yaml", "--seed", "1", "--node", "nodes[0]"])).with(0);
    assert_eq!(count(&one.out, "nodes[0]"), count(&all.out, "nodes[0]"));
    assert_eq!(count(&one.out, "nodes[1]"), 0);
    let ops = run(squall(&["replay", "fixtures/calm.yaml", "--seed", "1", "--events", "invoke"])).with(0);
    assert_eq!((count(&ops.out, "invoke"), count(&ops.out, "gremlin.beat")), (5, 0));
    let early = run(squall(&["replay", "fixtures/calm.yaml", "--seed", "1", "--until", "350ms"])).with(0);
    assert_eq!(count(&early.out, "gremlin.beat"), 6, "{}", early.out);
    assert!(early.out.contains("records are not shown"));
}

pub fn a_flaw_is_caught() {
    let ended = run(squall(&["run", "fixtures/flaw/caught.yaml", "--format", "json"])).with(0);
    let spec = &ended.of_kind("spec")[0];
    let seed = spec["caught"]["seed"].as_u64().expect("the seed that caught it");
    assert_eq!(spec["runs"], seed + 1, "it stops at the first");
    run(squall(&["run", "fixtures/flaw/caught.yaml"])).with(0).says(&format!("{:<6}caught", seed + 1));
}

pub fn a_flaw_that_is_not_caught_is_1() {
    run(squall(&["run", "fixtures/flaw/missed.yaml"]))
        .with(1)
        .says("not caught: no_gremlin was not violated in 10 runs");
}

pub fn another_failure_than_expected_is_1() {
    let ended = run(squall(&["run", "fixtures/flaw/other.yaml"])).with(1);
    assert!(ended.out.contains("expected a violation of no_gremlin, and seed"), "{}", ended.out);
    assert!(ended.out.contains("the gremlin panics"), "{}", ended.out);
}

pub fn a_flaw_hardly_looked_for_is_3() {
    run(squall(&["run", "fixtures/flaw/missed.yaml", "--seeds", "5"])).with(3).says("the spec asks for 10");
}

pub fn vacuous_is_5() {
    run(squall(&["run", "fixtures/vacuous.yaml"]))
        .with(5)
        .says("fixtures/vacuous.yaml:5: fault never-due never struck: its event gremlin.struck never came (faults[0])")
        .says("fixtures/vacuous.yaml:10: gremlin.leaked was never seen (check[1].sometimes[0])");
    run(squall(&["run", "fixtures/vacuous.yaml", "--seeds", "9"])).with(0);
}

pub fn time_that_is_up_is_3() {
    run(squall(&["run", "fixtures/calm.yaml", "--seeds", "100000000", "--max-time", "300ms"]))
        .with(3)
        .says("the time was up")
        .says("1 undecided");
}

pub fn json_is_one_object_a_line() {
    let ended =
        run(squall(&["run", "fixtures/calm.yaml", "fixtures/harm/strike.yaml", "--format", "json"])).with(1);
    let keys = |object: &serde_json::Value| -> BTreeSet<String> {
        object.as_object().expect("an object").keys().cloned().collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let passed = ["kind", "spec", "case", "seed", "run", "verdict", "digest", "virtual_ms", "wall_us"];
    let runs = ended.of_kind("run");
    assert_eq!(runs.len(), 32);
    for run in &runs {
        match run["verdict"].as_str() {
            Some("passed") => assert_eq!(keys(run), set(&passed)),
            Some("violated") => {
                assert_eq!(keys(run), set(&[&passed[..], &["invariant"]].concat()));
                assert_eq!(run["invariant"], "no_gremlin");
            }
            _ => panic!("{run}"),
        }
        assert_eq!(run["digest"].as_str().map(str::len), Some(16));
    }
    assert_eq!(ended.of_kind("spec").len(), 2);
    let all = ended.json();
    let summary = all.last().expect("a last line");
    let fields = ["kind", "specs", "passed", "failed", "vacuous", "undecided", "runs", "seconds"];
    assert_eq!(keys(summary), set(&fields));
    assert_eq!(summary["kind"], "summary");
    let counts: Vec<u64> =
        fields[1..7].iter().map(|name| summary[name].as_u64().expect("a number")).collect();
    assert_eq!(counts, [2, 1, 1, 0, 0, 32]);
}

pub fn max_failures_stops() {
    let ended =
        run(squall(&["run", "fixtures/harm/strike.yaml", "--max-failures", "1", "--format", "json"])).with(1);
    let spec = &ended.of_kind("spec")[0];
    assert_eq!(spec["failures"].as_array().map(Vec::len), Some(1));
    assert!(
        spec["notes"][0].as_str().is_some_and(|note| note.contains("stopped after 1 failing run")),
        "{spec}"
    );
}

/// Each case of a matrix has a verdict of its own, and the line that replays one of its runs does.
pub fn a_matrix_is_several_specs() {
    let ended = run(squall(&["run", "fixtures/matrix"])).with(1).says("[variant=hardened,ops=3]");
    assert!(ended.out.contains("4 specs: 2 passed, 2 failed"), "{}", ended.out);
    let line =
        ended.out.lines().find_map(|line| line.trim().strip_prefix("replay: ")).expect("a line to paste");
    let args: Vec<&str> = line.split_whitespace().skip_while(|word| *word != "replay").collect();
    assert!(args.contains(&"--case"), "{line}");
    run(squall(&args)).with(1).says("no_gremlin");

    let ended = run(squall(&["replay", "fixtures/matrix/variants.yaml", "--seed", "1"])).with(2);
    assert!(ended.err.contains("variant=hardened,ops=5"), "it names the cases: {}", ended.err);
    let ended = run(squall(&[
        "explain",
        "fixtures/matrix/variants.yaml",
        "--case",
        "variant=hardened,ops=4",
        "--seed",
        "1",
    ]))
    .with(2);
    assert!(ended.err.contains("did you mean `variant=hardened,ops="), "{}", ended.err);
    let json = run(squall(&["run", "fixtures/matrix", "--format", "json"])).with(1);
    let specs = json.of_kind("spec");
    assert_eq!(specs.len(), 4);
    assert_eq!(specs[1]["case"], "variant=hardened,ops=5");
}

/// No range had it, so it was zero runs, and they passed.
pub fn the_last_seed_is_a_seed() {
    let last = u64::MAX.to_string();
    let range = format!("{last}..={last}");
    let ended = run(squall(&[
        "run",
        "fixtures/harm/panic.yaml",
        "--seeds",
        &range,
        "--format",
        "json",
        "--no-shrink",
    ]));
    assert_eq!(ended.of_kind("run").len(), 1, "{}{}", ended.out, ended.err);
    assert_eq!(ended.of_kind("run")[0]["seed"], u64::MAX);
    let mut test = specs(fixtures("harm"), &["harm::strike", "--exact"]);
    test.env("SQUALL_SEED", &last);
    let tested = run(test);
    let replayed = run(squall(&["replay", "fixtures/harm/strike.yaml", "--seed", &last]));
    assert_eq!(tested.code == Some(0), replayed.code == Some(0), "{}{}", tested.out, replayed.out);
    let planned = |check: &str| {
        written(&format!(
            "spec: 1\nsystem: gremlin\nparams: {{ does: strike }}\ncheck: {check}\nplan: {{ seed: {last}, operations: [] }}\n\
             phases: {{ warmup: 200ms, chaos: 600ms, settle: 200ms }}\n"
        ))
    };
    let (_directory, file) = planned("[no_gremlin]");
    let ended = run(squall(&["run", &file, "--no-shrink"])).with(1);
    assert!(ended.out.contains(&format!("seed {last}: no_gremlin violated")), "{}", ended.out);
    let (_directory, file) = planned("[]");
    run(squall(&["run", &file])).with(5).says("no run can fail: nothing is checked");
}

/// That a plan is one run, or that few seeds were run, was taken for a reason to let them pass.
pub fn what_cannot_fail_is_vacuous_however_few_runs_there_are() {
    let short = "phases: { warmup: 200ms, chaos: 600ms, settle: 200ms }\nworkload: { ops: 5 }";
    for check in [
        "check: []",
        "",
        "check: [{ sometimes: [gremlin.beat] }]",
        "check: [{ count: { event: gremlin.beat, per: n, at_least: 1 } }]",
        // It is there, and nothing ever comes that it could judge.
        "check: [read_your_writes]",
    ] {
        let (_directory, file) = written(&format!("spec: 1\nsystem: gremlin\n{check}\n{short}\n"));
        for seeds in ["1", "10"] {
            let ended = run(squall(&["run", &file, "--seeds", seeds]));
            assert_eq!(ended.code, Some(5), "{check}: {}{}", ended.out, ended.err);
        }
        let short = "phases: { warmup: 200ms, chaos: 600ms, settle: 200ms }";
        let (_directory, file) = written(&format!(
            "spec: 1\nsystem: gremlin\n{check}\n{short}\nplan: {{ seed: 3, operations: [] }}\n"
        ));
        let ended = run(squall(&["run", &file]));
        assert_eq!(ended.code, Some(5), "{check}, planned: {}{}", ended.out, ended.err);
    }
}

pub fn a_note_is_for_people_too() {
    run(squall(&["run", "fixtures/vacuous.yaml", "--seeds", "9"]))
        .with(0)
        .says("passed fixtures/vacuous.yaml\n  note: not judged as vacuous, as only 9 of the 10 seeds");
    let mut test = specs(fixtures("."), &["fixtures::vacuous", "--exact"]);
    test.env("SQUALL_SEED", "3");
    let ended = run(test);
    assert!(ended.err.contains("vacuous.yaml: not judged as vacuous"), "{}{}", ended.out, ended.err);
}

/// `--seeds 10` printed "passed", and no fault of the spec had touched anything.
pub fn a_network_that_no_fault_acts_on_is_3() {
    let astray = |says: &str, uses: &str, seeds: &str| {
        let (_directory, file) = written(&format!(
            "spec: 1\nsystem: astray\nparams: {{ says: {says}, uses: {uses} }}\n\
             faults: [{{ id: cut, partition: {{ isolate: \"nodes[0]\" }}, at: 300ms, for: 300ms }}]\n\
             check: [{{ count: {{ event: astray.sent, at_least: 1 }} }}]\nexplore: {{ seeds: 20 }}\n\
             phases: {{ warmup: 200ms, chaos: 600ms, settle: 200ms }}\nworkload: {{ ops: 2 }}\n"
        ));
        run(squall(&["run", &file, "--seeds", seeds]))
    };
    for (says, uses) in [("squall", "squall"), ("netsim", "netsim")] {
        astray(says, uses, "20").with(0);
    }
    for seeds in ["10", "20"] {
        astray("squall", "netsim", seeds)
            .with(3)
            .says("talk over madsim's own network")
            .says("return `Transport::NetSim` from it");
        astray("netsim", "squall", seeds).with(3).says("talk over squall's network").says("`transport()`");
    }
}

/// It was said that a fault never struck, or touched nothing, and not why.
pub fn the_vacuity_of_a_fault_says_why() {
    let says = |fault: &str, why: &str| {
        let (_directory, file) = written(&format!(
            "spec: 1\nsystem: gremlin\nfaults: [{{ id: it, {fault} }}]\ncheck: [no_gremlin]\nexplore: {{ seeds: 3 }}\n\
             phases: {{ warmup: 200ms, chaos: 600ms, settle: 200ms }}\nworkload: {{ ops: 5 }}\n"
        ));
        run(squall(&["run", &file])).with(5).says(why);
    };
    says(
        "pause: { node: nodes }, when: { event: gremlin.beat, where: { n: 99 } }, for: 100ms",
        "fault it never struck: its event gremlin.beat {n: 99} never came; gremlin.beat came 54 times, with n: 1, 2, 3, 4, 5,",
    );
    says(
        "pause: { node: nodes }, when: { event: gremlin.beat, where: { n: 2 }, nth: 5 }, for: 100ms",
        "its event gremlin.beat {n: 2} came 2 times in a run at most, and it waits for the 5th",
    );
    says(
        "pause: { node: nodes }, when: { event: gremlin.beat, where: { n: 8 } }, for: 100ms",
        "its event gremlin.beat {n: 8} came, and settle had begun before it could strike",
    );
    says(
        "pause: { node: nodes }, every: { poisson: 1000h }, for: 100ms",
        "fault it never struck: no strike of it was drawn in any run",
    );
    says(
        "delay: { link: \"nodes[0] -> nodes[1]\", by: 5ms }, at: 400ms, for: 100ms",
        "fault it struck 3 times and touched nothing: delay of 5ms on nodes[0] -> nodes[1] (3 times); there were no packets that are \
         sent there while it lasts (faults[0])",
    );
}

/// One failure that two cases of a matrix show was told as two.
pub fn a_failure_of_two_cases_is_told_once() {
    let ended = run(squall(&["run", "fixtures/matrix"])).with(1);
    let told = ended.out.matches("what happens then:").count();
    assert_eq!(told, 1, "{}", ended.out);
    let [first, second] =
        [",ops=3]", ",ops=5]"].map(|case| format!("fixtures/matrix/variants.yaml [variant=haunted{case}"));
    assert!(ended.out.contains(&format!("the same in: {second}, seed")), "{}", ended.out);
    assert!(ended.out.contains(&format!("the same failure as in {first}, seed")), "{}", ended.out);
    let json = run(squall(&["run", "fixtures/matrix", "--format", "json"])).with(1);
    let same: Vec<_> = json
        .of_kind("spec")
        .iter()
        .filter_map(|spec| spec["distinct_failures"][0]["same_as"].as_str().map(str::to_owned))
        .collect();
    assert!(same.len() == 2 && same[0] == same[1], "{same:?}");
}
