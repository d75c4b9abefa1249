//! What the README shows must work: its spec is read as it stands there, and its runs pass.

use squall::{
    run::{ExecuteOptions, execute},
    spec,
};

#[test]
fn the_spec_in_the_readme_is_valid_and_passes() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```yaml\n").expect("the README shows a spec");
    let (yaml, _) = rest.split_once("```").expect("its block ends");
    let registry = squall_systems::registry();
    let loaded = spec::parse("README.md", yaml, &registry).unwrap_or_else(|errors| panic!("{errors}"));
    for seed in 0..10 {
        let report = execute(&registry, &loaded.spec, seed, ExecuteOptions::default());
        assert!(report.passed(), "seed {seed}: {:?}", report.verdict);
    }
}
