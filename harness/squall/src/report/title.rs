//! What a spec is called where room is scarce.

use std::path::{Path, PathBuf};

/// The file without what goes without saying: that it is below `specs`, and its extension. For tables, where room is scarce.
pub(crate) fn short_path(path: &Path) -> PathBuf {
    let path = path.with_extension("");
    path.strip_prefix("specs").map(Path::to_owned).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

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
