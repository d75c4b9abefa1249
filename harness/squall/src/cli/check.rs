//! `squall check`: what is wrong with specs.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde_json::json;

use super::{
    Exit, Format,
    load::{Specs, complain, specs},
};
use crate::{
    inquiry::Inquiry,
    report::Style,
    screen,
    spec::{Diagnostics, title},
};

pub(super) fn check(inquiry: &Inquiry, paths: &[PathBuf], format: Format) -> io::Result<Exit> {
    let Specs { loaded, wrong, unread } = specs(inquiry, paths, None);
    let mut out = screen::out();
    match (wrong.is_empty() && unread.is_empty(), format) {
        (true, Format::Human) => {
            for spec in &loaded {
                let title = title(&spec.path, spec.case.as_deref());
                writeln!(out, "{}  {title}", Style::Good.paint("ok"))?;
            }
            Ok(Exit::AsExpected)
        }
        (true, Format::Json) => {
            for spec in &loaded {
                let spec =
                    json!({ "kind": "ok", "spec": spec.path.display().to_string(), "case": spec.case });
                screen::json(&spec)?;
            }
            Ok(Exit::AsExpected)
        }
        (false, Format::Human) => complain(&wrong, &unread),
        (false, Format::Json) => {
            for mut object in wrong.iter().flat_map(Diagnostics::to_json) {
                object["kind"] = "error".into();
                screen::json(&object)?;
            }
            for spec in &unread {
                let (file, message) = (spec.path.display().to_string(), spec.to_string());
                screen::json(&json!({ "kind": "undecided", "file": file, "message": message }))?;
            }
            Ok(if wrong.is_empty() { Exit::Undecided } else { Exit::Usage })
        }
    }
}
