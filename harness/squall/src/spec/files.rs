//! Specs as files: finding them, reading them, naming them.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use crate::{
    language::{Code, Diagnostic, Diagnostics, MAX_BYTES, Span, diagnostic::did_you_mean},
    open::{self, Refused},
};

/// A path as it is shown, with slashes on every platform.
pub(super) fn shown(path: &Path) -> String {
    let shown = path.display().to_string();
    if std::path::MAIN_SEPARATOR == '/' { shown } else { shown.replace(std::path::MAIN_SEPARATOR, "/") }
}

fn error(path: &Path, code: Code, message: impl Into<String>, help: impl Into<String>) -> Diagnostics {
    Diagnostics::at_path(&shown(path), Diagnostic::new(code, "", Span::default(), message, help))
}

/// The text of a spec's file, if it is UTF-8, small enough, and inside the [root](open::root_of) of the spec at `of`.
pub(super) fn read(path: &Path, of: &Path) -> Result<String, Diagnostics> {
    if let Some(control) = shown(path).chars().find(|c| c.is_control()) {
        let name = shown(path).escape_debug().to_string();
        let message = format!("the path \"{name}\" holds a control character ({})", control.escape_debug());
        let help = "rename it: reports, comments and commands to paste name it within a line";
        return Err(Diagnostics::at_path(
            &name,
            Diagnostic::new(Code::Unreadable, "", Span::default(), message, help),
        ));
    }
    let read = open::read(path, &open::root_of(of), MAX_BYTES as u64 + 1);
    let bytes = read.map_err(|refused| unreadable(path, &refused))?;
    check_size(&shown(path), &bytes)?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let bytes = e.into_bytes();
        let bad = bytes[at];
        // The place is that of the first replacement character; the text before it is intact.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let start = u32::try_from(at).expect("a file of at most a mebibyte");
        let diagnostic = Diagnostic::new(
            Code::Unreadable,
            "",
            Span { file: 0, start, end: start + 3 },
            format!("the file is not UTF-8: byte 0x{bad:02x}"),
            "save it as UTF-8",
        );
        Diagnostics::in_text(&shown(path), &text, vec![diagnostic], true)
    })
}

/// Refuses files that no person wrote. The place is where the limit is passed.
pub(super) fn check_size(name: &str, bytes: &[u8]) -> Result<(), Diagnostics> {
    if bytes.len() <= MAX_BYTES {
        return Ok(());
    }
    let before = &bytes[..MAX_BYTES];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    let message = format!("`{name}` is larger than {} MiB", MAX_BYTES >> 20);
    let help = "a spec is a page or two: is this the right file?";
    let diagnostic = Diagnostic::new(Code::TooLarge, "", Span::default(), message, help);
    Err(Diagnostics::at_line(name, diagnostic, line, column))
}

fn no_such_path(path: &Path) -> Diagnostics {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut siblings: Vec<String> = fs::read_dir(parent)
        .map(|entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    siblings.sort();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let help = match did_you_mean(&name, siblings.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{}`?", shown(&path.with_file_name(meant))),
        None => "give the path of a spec, or of a directory of specs".to_owned(),
    };
    error(path, Code::NoSuchPath, format!("there is no `{}`", shown(path)), help)
}

fn unreadable(path: &Path, refused: &Refused) -> Diagnostics {
    let (what, help) = refused.told();
    let (code, help) = match refused {
        Refused::Missing => return no_such_path(path),
        Refused::Directory => (
            Code::Unreadable,
            "name a file in it; the commands that take directories look for specs in them".into(),
        ),
        Refused::Outside { .. } => (Code::Outside, help),
        _ => (Code::Unreadable, help),
    };
    error(path, code, format!("`{}` {what}", shown(path)), help)
}

fn is_spec(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

/// The specs among these paths: files as they are, and the `*.yaml` and `*.yml` below directories, sorted. Directories named `lib`
/// hold parts of specs, and with hidden ones they are passed over, unless they are given themselves.
///
/// # Errors
/// A path that does not exist or cannot be read, a directory without specs, or in a directory what looks like a spec and cannot be
/// one (a link that leads nowhere, a name in capitals): the first of them.
pub fn discover(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostics> {
    let mut found = Vec::new();
    for path in paths {
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            Err(e) => {
                let dangling = fs::read_link(path).map(Refused::Dangling);
                return Err(unreadable(path, &dangling.unwrap_or_else(|_| e.into())));
            }
        };
        if !meta.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        search(path, path, &mut found)?;
        if found.len() == before {
            let message = format!("there are no specs in `{}`", shown(path));
            return Err(error(path, Code::NoSpecs, message, "specs are files that end in .yaml or .yml"));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

fn search(top: &Path, directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), Diagnostics> {
    let failed = |path: &Path, e: std::io::Error| unreadable(path, &e.into());
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.map_err(|e| failed(directory, e))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let kind = entry.file_type().map_err(|e| failed(&path, e))?;
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            if name != "lib" {
                search(top, &path, found)?;
            }
        } else if kind.is_symlink() && path.is_dir() {
            linked_directory(top, &path)?;
        } else if is_spec(&path) {
            // What else is wrong with it is said when it is opened.
            found.push(path);
        } else if path
            .extension()
            .is_some_and(|e| ["yaml", "yml"].iter().any(|spec| e.eq_ignore_ascii_case(spec)))
        {
            let message = format!("`{}` would be passed over", shown(&path));
            let help =
                format!("specs end in .yaml or .yml: name it `{}`", shown(&path.with_extension("yaml")));
            return Err(error(&path, Code::Unreadable, message, help));
        }
    }
    Ok(())
}

/// A linked directory is not followed: it may lead back here. That is well if its specs are found on another way, or if it holds parts.
fn linked_directory(top: &Path, path: &Path) -> Result<(), Diagnostics> {
    let failed = |e: std::io::Error| unreadable(path, &e.into());
    let (top, real) = (top.canonicalize().map_err(failed)?, path.canonicalize().map_err(failed)?);
    if real.starts_with(&top) || path.ends_with("lib") {
        return Ok(());
    }
    let message = format!(
        "`{}` is a link to the directory `{}`, which would be passed over",
        shown(path),
        real.display()
    );
    let help = "links to directories are not followed: name the directory itself on the command line, and remove the link";
    Err(error(path, Code::Outside, message, help))
}

/// A spec's name from its path below the last `specs` directory: `specs/saga/calm.yaml` is `saga::calm`.
pub(super) fn spec_name(path: &Path) -> String {
    let stem = path.with_extension("");
    let parts: Vec<String> = stem
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    let below = match parts.iter().rposition(|part| part == "specs") {
        Some(specs) if specs + 1 < parts.len() => &parts[specs + 1..],
        _ => &parts[parts.len().saturating_sub(1)..],
    };
    below.join("::")
}
