//! What a spec is called in what people read.

use std::path::Path;

use crate::screen;

/// A spec: its file, as a person would type it, and its case if the file has a matrix.
pub(crate) fn title(path: &Path, case: Option<&str>) -> String {
    let path = path.display();
    screen::in_a_line(&case.map_or_else(|| path.to_string(), |case| format!("{path} [{case}]")))
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
}
