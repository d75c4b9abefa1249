//! `matrix:` from the outside: cases, their names, and how one is asked for.

use std::fs;

use squall::spec::{Code, load, load_case, load_cases, parse, parse_cases};

use crate::shop::registry;

const TEXT: &str = "spec: 1
system: shop
matrix: { params.window: [1, 2], topology.orders: [3, 5] }
faults:
  - { id: a, partition: { ring: orders }, at: 2s }
";

#[test]
fn what_is_wrong_with_one_case_is_told_once_at_the_value() {
    // A ring needs four nodes: two of the four cases have three.
    let errors = parse_cases("x.yaml", TEXT, &registry()).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors}");
    assert!(errors.to_string().contains("`ring` needs 4 nodes"), "{errors}");
}

#[test]
fn a_case_is_asked_for_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.yaml");
    fs::write(&path, TEXT.replace("[3, 5]", "[4, 5]")).unwrap();
    let cases = load_cases(&path, &registry()).unwrap();
    let names: Vec<_> = cases.iter().map(|loaded| loaded.case.clone().unwrap()).collect();
    assert_eq!(names, ["window=1,orders=4", "window=1,orders=5", "window=2,orders=4", "window=2,orders=5"]);
    let one = load_case(&path, Some("window=2,orders=5"), &registry()).unwrap();
    assert_eq!((&one.spec.params["window"], *one.spec.topology["orders"]), (&serde_json::json!(2), 5));
    assert!(one.spec.matrix.is_empty(), "a case has no matrix");
    let error = load_case(&path, Some("window=2,orders=6"), &registry()).unwrap_err();
    assert_eq!(error.iter().next().unwrap().code, Code::Matrix);
    assert!(
        error.to_string().contains("did you mean `window=2,orders=5`?")
            || error.to_string().contains("window=2")
    );
    let error = load(&path, &registry()).unwrap_err().to_string();
    assert!(error.contains("4 specs") && error.contains("--case"), "{error}");
    fs::write(&path, "spec: 1\nsystem: shop\n").unwrap();
    let error = load_case(&path, Some("window=2"), &registry()).unwrap_err().to_string();
    assert!(error.contains("it has no `matrix`"), "{error}");
    assert!(parse("x.yaml", "spec: 1\nsystem: shop\n", &registry()).unwrap().case.is_none());
}
