//! What a spec is called in what people read.

use std::path::{Path, PathBuf};

use crate::screen;

/// A spec: its file, as a person would type it, and its case if the file has a matrix.
pub(crate) fn title(path: &Path, case: Option<&str>) -> String {
    let path = path.display();
    screen::in_a_line(&case.map_or_else(|| path.to_string(), |case| format!("{path} [{case}]")))
}

/// The file without what goes without saying: that it is below `specs`, and its extension. For tables, where room is scarce.
pub(crate) fn short_path(path: &Path) -> PathBuf {
    let path = path.with_extension("");
    path.strip_prefix("specs").map(Path::to_owned).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_follows_the_file() {
        let path = Path::new("specs/saga/styles.yaml");
        assert_eq!(title(path, None), "specs/saga/styles.yaml");
        assert_eq!(title(path, Some("style=orchestrated")), "specs/saga/styles.yaml [style=orchestrated]");
    }

    #[test]
    fn only_the_start_of_a_path_goes_without_saying() {
        for (path, shown) in [
            ("specs/saga/x.yaml", "saga/x"),
            ("other/specs/x.v2.yaml", "other/specs/x.v2"),
            ("specs-of-mine/x.yml", "specs-of-mine/x"),
        ] {
            assert_eq!(short_path(Path::new(path)), Path::new(shown));
        }
    }
}
