//! `squall judge`: a history from a file, judged by a consistency checker.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
};

use serde_json::json;
use squall_checkers::{
    Budget, Verdict, draw,
    formats::{self, Datum, Format, FormatError, Place},
    judge::{self, Consistency, Explanation, Judgement, Model, Question},
    transactions::Holds,
};

use super::{Exit, JudgeArgs};
use crate::{
    open::{self, Refused},
    report::Style,
    screen,
};

/// A name given to `--format`: how the file is written, or how the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Told from the file's beginning.
    Auto,
    /// The file, so.
    File(Format),
    /// The answer, for people.
    Human,
    /// The answer, for programs.
    Json,
}

pub(super) fn written(name: &str) -> Result<Written, String> {
    let of_file =
        || Format::ALL.iter().find(|(known, _)| *known == name).map(|(_, format)| Written::File(*format));
    match name {
        "auto" => Ok(Written::Auto),
        "human" => Ok(Written::Human),
        "json" => Ok(Written::Json),
        _ => of_file().ok_or_else(|| {
            let names: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
            format!("the file can be auto, {}; the answer human or json", names.join(", "))
        }),
    }
}

pub(super) fn model(name: &str) -> Result<Model, String> {
    Model::of(name).ok_or_else(|| {
        let names: Vec<&str> = Model::ALL.iter().map(|(name, _)| *name).collect();
        format!("the models are {}", names.join(", "))
    })
}

pub(super) fn consistency(name: &str) -> Result<Consistency, String> {
    Consistency::of(name).ok_or_else(|| format!("one of {}", Consistency::names().join(", ")))
}

pub(super) fn judge(args: &JudgeArgs) -> io::Result<Exit> {
    let json = args.format.contains(&Written::Json);
    match answer(args) {
        Ok(judgement) => {
            if let (Some(path), Verdict::Illegal(explanation)) = (&args.svg, &judgement.verdict)
                && let Some(picture) = draw::explanation(explanation, &[])
                && let Err(error) = std::fs::write(path, picture)
            {
                screen::say(format_args!(
                    "error: the picture cannot be written to {}: {error}",
                    path.display()
                ));
                return Ok(Exit::Usage);
            }
            if json {
                let mut object = Vec::new();
                as_json(&mut object, args, &judgement)?;
                screen::json(&String::from_utf8_lossy(&object).trim_end())?;
            } else {
                for_people(&mut screen::out(), args, &judgement)?
            }
            Ok(match judgement.verdict {
                Verdict::Legal { .. } => Exit::AsExpected,
                Verdict::Illegal(_) => Exit::Failed,
                Verdict::Unknown { .. } => Exit::Undecided,
            })
        }
        Err(refusal) => {
            let file = args.file.display();
            match refusal {
                Refusal::Unreadable(error) => {
                    screen::say(format_args!("error: {file} cannot be read: {error}"))
                }
                Refusal::Refused(refused) => {
                    let (what, help) = match refused {
                        Refused::Long { .. } => (refused.told().0, "--max-size raises the limit".to_owned()),
                        other => other.told(),
                    };
                    screen::say(format_args!("error: {file} {what}\nhelp: {help}"));
                }
                Refusal::Unknown => screen::say(format_args!(
                    "error: {file}: it cannot be told how this file is written\nhelp: say `--format` and one of {}",
                    Format::ALL.map(|(name, _)| name).join(", ")
                )),
                Refusal::Wrong(error) if json => {
                    let FormatError { place, message, help } = &error;
                    let object = json!({
                        "kind": "error", "file": file.to_string(), "line": place.line, "column": place.column,
                        "message": message, "help": help,
                    });
                    screen::json(&object)?;
                }
                Refusal::Wrong(error) => {
                    let FormatError { place, message, help } = &error;
                    screen::say(format_args!("error: {file}:{}:{}: {message}", place.line, place.column));
                    if !help.is_empty() {
                        screen::say(format_args!("help: {help}"));
                    }
                }
            }
            Ok(Exit::Usage)
        }
    }
}

/// Why there is no answer.
enum Refusal {
    /// It is nothing that could be read.
    Refused(Refused),
    Unreadable(io::Error),
    /// How it is written cannot be told.
    Unknown,
    Wrong(FormatError),
}

fn answer(args: &JudgeArgs) -> Result<Judgement, Refusal> {
    let most = args.max_size << 20;
    let file: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(open::stream(&args.file, most).map_err(Refusal::Refused)?)
    };
    let mut file = BufReader::with_capacity(1 << 16, Limited { inner: file, left: most, most });
    let named = args.format.iter().find_map(|written| match written {
        Written::File(format) => Some(*format),
        _ => None,
    });
    let format = match (named, file.fill_buf().map_err(Refusal::Unreadable)?) {
        (_, []) => return Err(Refusal::Wrong(nothing())),
        (Some(format), _) => format,
        (None, beginning) => Format::detect(beginning).ok_or(Refusal::Unknown)?,
    };
    let recorded = formats::read(file, format).map_err(Refusal::Wrong)?;
    let usual = Budget::default();
    let budget = Budget {
        steps: args.steps.unwrap_or(usual.steps),
        memory: args.memory.map_or(usual.memory, |mib| mib << 20),
        time: args.budget,
    };
    let initial = args.initial.as_deref().map_or(Datum::Nil, |text| match text.parse() {
        Ok(int) => Datum::Int(int),
        Err(_) => Datum::Text(text.into()),
    });
    let question = Question {
        consistency: args.consistency,
        initial,
        keyed_values: args.keyed_values,
        budget,
        ..Question::new(args.model)
    };
    judge::judge(&recorded, &question).map_err(Refusal::Wrong)
}

fn nothing() -> FormatError {
    let place = Place { line: 1, column: 1 };
    FormatError {
        place,
        message: "there is nothing to judge: the file is empty".to_owned(),
        help: String::new(),
    }
}

/// What is read of a file or of standard input at most. What goes beyond that is an error, not an end.
struct Limited<R> {
    inner: R,
    /// How many bytes may still come.
    left: u64,
    most: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!("it has more than {} MiB; --max-size raises the limit", self.most >> 20))
        })?;
        Ok(read)
    }
}

fn for_people(out: &mut impl Write, args: &JudgeArgs, judgement: &Judgement) -> io::Result<()> {
    let Judgement { consistency, verdict, counts, strongest, notes, .. } = judgement;
    let of = if args.model.is_of_transactions() { "transactions" } else { "calls" };
    let judged = format!(
        "{} {of} that took effect, {} of unknown outcome, {} that failed, by {} processes",
        counts.ok, counts.info, counts.fail, counts.processes
    );
    match verdict {
        Verdict::Legal { by } => {
            writeln!(out, "{}: {consistency}, by {by}", Style::Good.paint("legal"))?;
        }
        Verdict::Illegal(explanation) => {
            writeln!(out, "{}: not {consistency}", Style::Bad.paint("illegal"))?;
            writeln!(out)?;
            writeln!(out, "{}", explanation.to_string().trim_end())?;
            writeln!(out)?;
        }
        Verdict::Unknown { reason } => {
            writeln!(out, "{}: {reason}", Style::Doubtful.paint("unknown"))?;
            writeln!(
                out,
                "  It may be {consistency} or not. More may be spent with --steps, --memory and --budget."
            )?;
        }
    }
    writeln!(out, "  {judged}")?;
    if !strongest.is_empty() {
        let names: Vec<String> = strongest.iter().map(ToString::to_string).collect();
        writeln!(out, "  the strongest levels that hold: {}", names.join(", "))?;
    }
    for note in notes {
        writeln!(out, "  note: {note}")?;
    }
    if let (Some(path), Verdict::Illegal(explanation)) = (&args.svg, verdict) {
        match explanation {
            Explanation::Property(_) => writeln!(out, "  nothing is drawn: there is no more to it")?,
            _ => writeln!(out, "  drawn in {}", path.display())?,
        }
    }
    Ok(())
}

fn as_json(out: &mut impl Write, args: &JudgeArgs, judgement: &Judgement) -> io::Result<()> {
    let mut object = json!({
        "kind": "judgement",
        "file": args.file.display().to_string(),
        "model": args.model.name(),
        "consistency": judgement.consistency.to_string(),
        "counts": judgement.counts,
        "notes": judgement.notes,
    });
    match &judgement.verdict {
        Verdict::Legal { by } => {
            object["verdict"] = "legal".into();
            object["by"] = (*by).into();
        }
        Verdict::Illegal(explanation) => {
            object["verdict"] = "illegal".into();
            object["explanation"] = serde_json::to_value(explanation).map_err(io::Error::other)?;
        }
        Verdict::Unknown { reason } => {
            object["verdict"] = "unknown".into();
            object["reason"] = reason.to_string().into();
        }
    }
    if !judgement.levels.is_empty() {
        let holds = |holds: Holds| match holds {
            Holds::Yes => json!(true),
            Holds::No => json!(false),
            Holds::Unknown => json!(null),
        };
        object["levels"] = judgement
            .levels
            .iter()
            .map(|(level, of)| (level.name().to_owned(), holds(*of)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        object["strongest"] = judgement.strongest.iter().map(|level| level.name()).collect();
    }
    writeln!(out, "{object}")
}
