//! What a worker prints, on standard output and standard error alike: the last of it, per run.
//!
//! The worker writes a [mark](Mark) as each run ends: what stands before it was printed by that run. Of a run that is followed there are
//! marks that say where in it what follows was printed.

use std::{
    collections::VecDeque,
    io::Read,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use memchr::memchr;

use super::wire::{Key, Mark, Marked};
use crate::log::{Logged, Place};

/// How many bytes of a run are kept at least; twice as many at most. std's backtrace, which may follow what is to be known, is long.
const KEPT: usize = 256 << 10;

/// As [`KEPT`], of a run that is followed.
const KEPT_OF_FOLLOWED: usize = 4 << 20;

/// How many lines are told of a death.
const LINES: usize = 6;

/// How long to wait for what is on its way. A child of the worker may hold the pipe open for ever.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why the lock is never poisoned.
const UNPOISONED: &str = "nothing panics while it holds the lock";

/// Reads what a worker prints, to the end, and keeps the last of it.
pub(super) struct Tail(Arc<Shared>);

#[derive(Default)]
struct Shared {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Default)]
struct Kept {
    /// Of the run that is under way.
    now: Printed,
    /// Of the last run that was followed and has ended, which this is the number of.
    before: Option<(u64, Printed)>,
    /// The worker dies of a signal that another process has sent it.
    struck: bool,
    /// There will be no more.
    closed: bool,
}

/// What a run has printed, or the end of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Printed {
    /// Where each part was printed, if that is known.
    parts: VecDeque<(Option<Place>, Vec<u8>)>,
    bytes: usize,
    /// How many lines are missing at its beginning.
    dropped: u64,
}

impl Printed {
    fn add(&mut self, text: &[u8]) {
        if self.parts.is_empty() {
            self.parts.push_back((None, Vec::new()));
        }
        let (_, last) = self.parts.back_mut().expect("there is one now");
        last.extend_from_slice(text);
        self.bytes += text.len();
        let kept = if self.is_followed() { KEPT_OF_FOLLOWED } else { KEPT };
        if self.bytes > 2 * kept {
            self.drop_all_but(kept);
        }
    }

    fn go_to(&mut self, place: Place) {
        match self.parts.back_mut() {
            Some((last, text)) if text.is_empty() => *last = Some(place),
            _ => self.parts.push_back((Some(place), Vec::new())),
        }
    }

    fn is_followed(&self) -> bool {
        self.parts.back().is_some_and(|(place, _)| place.is_some())
    }

    fn drop_all_but(&mut self, kept: usize) {
        while self.bytes > kept
            && let Some((_, first)) = self.parts.front_mut()
        {
            let gone: Vec<u8> = first.drain(..first.len().min(self.bytes - kept)).collect();
            self.bytes -= gone.len();
            self.dropped += gone.iter().filter(|&&byte| byte == b'\n').count() as u64;
            if first.is_empty() && self.parts.len() > 1 {
                self.parts.pop_front();
            }
        }
    }

    fn text(&self) -> String {
        let whole: Vec<u8> = self.parts.iter().flat_map(|(_, text)| text).copied().collect();
        String::from_utf8_lossy(&whole).into_owned()
    }

    /// As lines of a log, each with how many lines of that came before it. A line belongs to where it begins.
    fn lines(self) -> Vec<(u64, Logged)> {
        let mut lines = Vec::new();
        let mut begun: Option<(Place, Vec<u8>)> = None;
        let mut end = |begun: &mut Option<(Place, Vec<u8>)>| {
            if let Some((place, text)) = begun.take() {
                let text = String::from_utf8_lossy(&text).trim_end_matches('\r').to_owned();
                lines.push((place.line, Logged::printed(place, text)));
            }
        };
        for (place, text) in self.parts {
            // Before the run has got anywhere, it is nobody's.
            let Some(place) = place else { continue };
            for piece in text.split_inclusive(|&byte| byte == b'\n') {
                let (_, line) = begun.get_or_insert_with(|| (place.clone(), Vec::new()));
                line.extend_from_slice(piece.strip_suffix(b"\n").unwrap_or(piece));
                if piece.ends_with(b"\n") {
                    end(&mut begun);
                }
            }
        }
        end(&mut begun);
        lines
    }
}

impl Tail {
    /// Reads on a thread of its own.
    pub(super) fn of(mut printed: impl Read + Send + 'static, key: Key) -> Self {
        let shared = Arc::new(Shared::default());
        let ours = shared.clone();
        std::thread::spawn(move || {
            let mut chunk = vec![0; 64 << 10];
            let mut splitter = Splitter::new(key);
            let take = |piece: Piece<'_>| {
                let mut kept = ours.kept.lock().expect(UNPOISONED);
                match piece {
                    Piece::Text(text) => kept.now.add(text),
                    Piece::Mark(Mark::Place(place)) => kept.now.go_to(place),
                    Piece::Mark(Mark::Struck) => kept.struck = true,
                    Piece::Mark(Mark::Ended(run)) => {
                        let printed = std::mem::take(&mut kept.now);
                        if printed.is_followed() {
                            kept.before = Some((run, printed));
                            ours.changed.notify_all();
                        }
                    }
                }
            };
            while let Ok(n @ 1..) = printed.read(&mut chunk) {
                splitter.split(&chunk[..n], take);
            }
            take(Piece::Text(&splitter.held));
            ours.kept.lock().expect(UNPOISONED).closed = true;
            ours.changed.notify_all();
        });
        Tail(shared)
    }

    fn wait(&self, reached: impl Fn(&Kept) -> bool) -> MutexGuard<'_, Kept> {
        let kept = self.0.kept.lock().expect(UNPOISONED);
        let waiting =
            self.0.changed.wait_timeout_while(kept, PATIENCE, |kept| !kept.closed && !reached(kept));
        waiting.expect(UNPOISONED).0
    }

    /// Waits until all has been read; call it once the worker is dead.
    pub(super) fn finish(&self) {
        drop(self.wait(|_| false));
    }

    /// Whether the worker died of a signal that another process has sent it; call it once the worker is dead.
    pub(super) fn was_struck(&self) -> bool {
        self.wait(|_| false).struck
    }

    /// The last of what the run that was under way printed; call it once the worker is dead.
    pub(super) fn text(&self) -> String {
        self.wait(|_| false).now.text()
    }

    /// The last lines of it. Empty if it printed nothing.
    pub(super) fn last_lines(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.trim().is_empty() && !is_of_backtrace(line)).collect();
        let last: Vec<String> =
            lines[lines.len().saturating_sub(LINES)..].iter().map(|line| without_thread_id(line)).collect();
        last.join("\n")
    }

    /// What a run that was followed printed, each line with how many lines of the log came before it; and how many lines of it are
    /// lost. Of the run that was under way if it has not ended; call it once the worker is dead, then.
    pub(super) fn lines(&self, run: u64) -> (Vec<(u64, Logged)>, u64) {
        let ended = |kept: &Kept| kept.before.as_ref().is_some_and(|(before, _)| *before == run);
        let mut kept = self.wait(ended);
        let printed = match ended(&kept) {
            true => kept.before.take().map(|(_, printed)| printed).unwrap_or_default(),
            false => std::mem::take(&mut kept.now),
        };
        let dropped = printed.dropped;
        (printed.lines(), dropped)
    }
}

/// Tells marks from what is printed, however it is cut into pieces.
struct Splitter {
    key: Key,
    /// What may be the beginning of a mark.
    held: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a [u8]),
    Mark(Mark),
}

impl Splitter {
    fn new(key: Key) -> Self {
        Splitter { key, held: Vec::new() }
    }

    fn split(&mut self, chunk: &[u8], mut take: impl FnMut(Piece<'_>)) {
        let joined;
        let mut rest = chunk;
        if !self.held.is_empty() {
            joined = [std::mem::take(&mut self.held), chunk.to_vec()].concat();
            rest = &joined;
        }
        // Up to where there is no mark.
        let mut looked = 0;
        while let Some(at) = memchr(Mark::FIRST, &rest[looked..]).map(|at| looked + at) {
            match self.key.mark_at(&rest[at..]) {
                Marked::Not => looked = at + 1,
                Marked::Perhaps => {
                    self.held = rest[at..].to_vec();
                    rest = &rest[..at];
                    break;
                }
                Marked::Is(mark, len) => {
                    if at > 0 {
                        take(Piece::Text(&rest[..at]));
                    }
                    take(Piece::Mark(mark));
                    rest = &rest[at + len..];
                    looked = 0;
                }
            }
        }
        if !rest.is_empty() {
            take(Piece::Text(rest));
        }
    }
}

/// Whether it stands in a backtrace as std prints it: it would leave no room for what was said.
fn is_of_backtrace(line: &str) -> bool {
    let line = line.trim_start();
    let frame = line.split_once(": ").is_some_and(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
    frame
        || line.starts_with("at /")
        || line.starts_with("at ./")
        || line == "stack backtrace:"
        || line.starts_with("note: Some details are omitted")
        || line.starts_with("note: run with `RUST_BACKTRACE")
}

/// Removes the operating system's thread id from `thread 'main' (4711) panicked at ..`: it differs from run to run.
fn without_thread_id(line: &str) -> String {
    if line.trim_start().starts_with("thread '")
        && let Some((before, rest)) = line.split_once("' (")
        && let Some((id, after)) = rest.split_once(')')
        && id.bytes().all(|b| b.is_ascii_digit())
    {
        return format!("{before}'{after}");
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(printed: Vec<u8>, key: Key) -> Tail {
        Tail::of(std::io::Cursor::new(printed), key)
    }

    fn place(after: u64, line: u64) -> Place {
        Place { at: Duration::from_millis(after), after, line, node: format!("n[{after}]"), incarnation: 1 }
    }

    #[test]
    fn only_the_run_that_died_is_told() {
        let key = Key::new();
        let mut printed = b"from the run before\n".to_vec();
        printed.extend(key.mark(&Mark::Ended(1)));
        printed.extend_from_slice(b"thread 'run' (4711) has overflowed its stack\nfatal runtime error\n");
        assert_eq!(
            tail(printed, key).last_lines(),
            "thread 'run' has overflowed its stack\nfatal runtime error"
        );
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory_and_lost_lines_are_counted() {
        let mut printed = Printed::default();
        for _ in 0..1_000 {
            printed.add(&[b'x'; 4096]);
        }
        printed.add(&[b'x'; 1 << 20]);
        assert!(printed.text().len() <= 2 * KEPT, "{} bytes", printed.text().len());
        let mut printed = Printed::default();
        let mut said = 0;
        while printed.dropped == 0 {
            printed.go_to(place(said, 0));
            printed.add(&[&[b'x'; 1 << 16][..], b"\n"].concat());
            said += 1;
        }
        assert!(printed.bytes <= 2 * KEPT_OF_FOLLOWED && printed.dropped < said);
        let (dropped, bytes) = (printed.dropped, printed.bytes);
        assert_eq!(bytes, printed.text().len());
        let lines = printed.lines();
        assert_eq!(lines.len() as u64, said - dropped);
        assert_eq!(lines.last().map(|(_, line)| line.after), Some(said - 1), "the last are kept");
    }

    #[test]
    fn what_is_printed_belongs_to_where_it_begins_and_to_its_run() {
        let key = Key::new();
        let printed = [
            b"before anything\n".to_vec(),
            key.mark(&Mark::Place(place(1, 0))),
            b"one\ntw".to_vec(),
            key.mark(&Mark::Place(place(2, 1))),
            b"o\n\nthree".to_vec(),
            key.mark(&Mark::Ended(7)),
            key.mark(&Mark::Place(place(0, 0))),
            b"of another run\n".to_vec(),
        ]
        .concat();
        let tail = tail(printed, key);
        let told = |run| {
            let (lines, dropped) = tail.lines(run);
            assert_eq!(dropped, 0);
            let told = |(before, line): (u64, Logged)| (before, line.after, line.node, line.text);
            lines.into_iter().map(told).collect::<Vec<_>>()
        };
        let line = |before, after: u64, text: &str| (before, after, format!("n[{after}]"), text.to_owned());
        assert_eq!(told(7), [line(0, 1, "one"), line(0, 1, "two"), line(1, 2, ""), line(1, 2, "three")]);
        assert_eq!(told(8), [line(0, 0, "of another run")], "it has not ended");
    }

    #[test]
    fn marks_are_found_however_they_are_read_and_nothing_else_is_one() {
        let (key, other) = (Key::new(), Key::new());
        let marks = [Mark::Ended(1), Mark::Place(place(3, 4))];
        let alike = other.mark(&marks[0]);
        let printed = [
            b"one\n".to_vec(),
            key.mark(&marks[0]),
            b"two".to_vec(),
            alike.clone(),
            key.mark(&marks[1]),
            b"\x1esqua".to_vec(),
        ]
        .concat();
        for n in 1..=printed.len() {
            let (mut text, mut found) = (Vec::new(), Vec::new());
            let mut splitter = Splitter::new(key);
            for chunk in printed.chunks(n) {
                splitter.split(chunk, |piece| match piece {
                    Piece::Text(more) => text.extend_from_slice(more),
                    Piece::Mark(mark) => found.push((mark, text.len())),
                });
            }
            text.extend(&splitter.held);
            let expected = [b"one\ntwo", &*alike, b"\x1esqua"].concat();
            assert_eq!(text, expected, "in chunks of {n}");
            let [first, second] = marks.clone();
            assert_eq!(found, [(first, 4), (second, 7 + alike.len())], "in chunks of {n}");
        }
    }
}
