//! The commands that the pages tell their readers to type are ones that a fresh clone has, and do what is said of them.

use std::{collections::BTreeSet, path::Path};

use crate::subject::{run, squall, systems};

const README: &str = include_str!("../../../README.md");

const PAGES: [&str; 6] = [
    README,
    include_str!("../../../specs/README.md"),
    include_str!("../../../harness/README.md"),
    include_str!("../../../patterns/README.md"),
    include_str!("../../../ci/README.md"),
    include_str!("../../../CONTRIBUTING.md"),
];

/// How `squall` is called where it is on no PATH.
const SQUALL: &str = "cargo run --release -- ";

/// What else is there to type: what the tests themselves are run by.
const OTHERS: [&str; 3] = ["cargo test", "SQUALL_BLESS=1 cargo test", "RUSTFLAGS= RUSTDOCFLAGS= cargo test"];

/// The lines of their shell blocks.
fn commands() -> Vec<&'static str> {
    let blocks = PAGES.iter().flat_map(|page| page.split("```sh\n").skip(1));
    blocks.flat_map(|rest| rest.split_once("```").expect("a block ends").0.lines()).collect()
}

/// They run one after the other, as they stand there but for the files that they write, and for the time that whole campaigns take: those
/// load all of their specs, begin, and are ended.
///
/// The README began and resumed its long run once with a `squall` that was not there.
pub fn commands_work_in_a_fresh_clone() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut run_so_far = BTreeSet::new();
    for command in commands() {
        let Some(args) = command.strip_prefix(SQUALL) else {
            let is_script = root.join(command).is_file();
            assert!(is_script || OTHERS.iter().any(|other| command.starts_with(other)), "{command}");
            continue;
        };
        let mut args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        for at in 1..args.len() {
            if ["--journal", "--resume", "--out"].contains(&&*args[at - 1]) {
                args[at] = directory.path().join(&args[at]).to_str().expect("a plain path").to_owned();
            }
        }
        let code = match &*args[0] {
            "run" => {
                if let Some(at) = args.iter().position(|arg| arg == "--max-time") {
                    args.drain(at..at + 2);
                }
                args.extend(["--max-time", "1ms"].map(str::to_owned));
                3
            }
            // A failure that its spec expects.
            _ => 0,
        };
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut process = systems(&args);
        let ended = run({
            process.current_dir(root);
            process
        });
        assert_eq!(ended.code, Some(code), "{command}\n{}\n{}", ended.out, ended.err);
        assert!(
            args[0] != "replay" || ended.out.contains(" violated "),
            "{command} shows a failure\n{}",
            ended.out
        );
        run_so_far.insert(args[0].to_owned());
        if args.contains(&"--journal") {
            run_so_far.insert("journal".to_owned());
        }
    }
    let expected = ["blame", "journal", "judge", "replay", "run", "shrink"].map(str::to_owned);
    assert_eq!(run_so_far, expected.into(), "what the pages show");
}

/// The text names commands, too.
pub fn every_command_that_is_named_is_there() {
    // A block is a span that begins and ends with two empty ones.
    let spans = PAGES.iter().flat_map(|page| page.split('`').skip(1).step_by(2));
    let named: BTreeSet<&str> =
        spans.filter_map(|span| span.strip_prefix("squall ")?.split_whitespace().next()).collect();
    assert!(named.contains("describe") && named.contains("bugs"), "{named:?}");
    for command in named {
        run(squall(&[command, "--help"])).with(0).says("Usage: squall");
    }
    assert!(README.contains(&format!("Where these pages say `squall`, type `{}`,", SQUALL.trim_end())));
}
