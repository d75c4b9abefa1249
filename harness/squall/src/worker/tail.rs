//! What a worker prints, on standard output and standard error alike: the last of it, per run.
//!
//! The worker writes a [mark](Key::mark) as each run ends. What stands before it was printed by that run.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{Read, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use memchr::memchr;

use super::wire::Key;
use crate::screen;

/// How many bytes of a run are kept at least; twice as many at most.
const KEPT: usize = 8 << 10;

/// Of how many runs that printed something it is kept.
const RUNS: usize = 64;

/// How many lines are told of a death.
const LINES: usize = 6;

/// How long to wait for what is on its way. A child of the worker may hold the pipe open for ever.
const PATIENCE: Duration = Duration::from_millis(500);

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
    now: Vec<u8>,
    /// Of runs that have ended, and printed anything.
    before: VecDeque<(u64, Vec<u8>)>,
    /// The last run of which it is known that it has ended.
    ended: Option<u64>,
    /// There will be no more.
    closed: bool,
}

impl Tail {
    /// Reads on a thread of its own; passes everything on to our standard error if `pass_on`.
    pub(super) fn of(mut printed: impl Read + Send + 'static, key: Key, pass_on: bool) -> Self {
        let shared = Arc::new(Shared::default());
        let ours = shared.clone();
        std::thread::spawn(move || {
            let mut chunk = vec![0; 64 << 10];
            let mut splitter = Splitter::new(key);
            let people = RefCell::new(screen::passing());
            let take = |piece: Piece<'_>| {
                let mut kept = ours.kept.lock().expect(UNPOISONED);
                match piece {
                    Piece::Text(text) => {
                        keep(&mut kept.now, text);
                        drop(kept);
                        if pass_on {
                            let _ = people.borrow_mut().write_all(text);
                        }
                    }
                    Piece::Ended(run) => {
                        kept.end(run);
                        ours.changed.notify_all();
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

    /// The last of what the run that was under way printed; call it once the worker is dead.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.wait(|_| false).now).into_owned()
    }

    /// The last lines of it. Empty if it printed nothing.
    pub(super) fn last_lines(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last: Vec<String> =
            lines[lines.len().saturating_sub(LINES)..].iter().map(|line| without_thread_id(line)).collect();
        last.join("\n")
    }
}

impl Kept {
    /// What was printed up to now is this run's.
    fn end(&mut self, run: u64) {
        let printed = std::mem::take(&mut self.now);
        self.ended = Some(run);
        if !printed.is_empty() {
            self.before.push_back((run, printed));
            if self.before.len() > RUNS {
                self.before.pop_front();
            }
        }
    }
}

fn keep(kept: &mut Vec<u8>, text: &[u8]) {
    kept.extend_from_slice(&text[text.len().saturating_sub(2 * KEPT)..]);
    if kept.len() > 2 * KEPT {
        kept.drain(..kept.len() - KEPT);
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
    /// This run has ended.
    Ended(u64),
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
        while let Some(at) = memchr(0x1e, &rest[looked..]).map(|at| looked + at) {
            match self.mark_at(&rest[at..]) {
                Mark::Not => looked = at + 1,
                Mark::Perhaps => {
                    self.held = rest[at..].to_vec();
                    rest = &rest[..at];
                    break;
                }
                Mark::Of(run, len) => {
                    if at > 0 {
                        take(Piece::Text(&rest[..at]));
                    }
                    take(Piece::Ended(run));
                    rest = &rest[at + len..];
                    looked = 0;
                }
            }
        }
        if !rest.is_empty() {
            take(Piece::Text(rest));
        }
    }

    /// What begins with `bytes`, the first of which a mark begins with.
    fn mark_at(&self, bytes: &[u8]) -> Mark {
        let model = self.key.mark(0);
        // Both end with the run's number, a separator, and the line.
        let (fixed, len) = (model.len() - 18, model.len());
        let known = bytes.len().min(fixed);
        if bytes[..known] != model[..known] {
            return Mark::Not;
        }
        if bytes.len() < len {
            return Mark::Perhaps;
        }
        let number = std::str::from_utf8(&bytes[fixed..fixed + 16]).ok();
        match number.and_then(|number| u64::from_str_radix(number, 16).ok()) {
            Some(run) if bytes[fixed + 16..len] == model[fixed + 16..] => Mark::Of(run, len),
            _ => Mark::Not,
        }
    }
}

enum Mark {
    Not,
    /// There is not enough of it to say.
    Perhaps,
    /// That of this run, and how long it is.
    Of(u64, usize),
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
        Tail::of(std::io::Cursor::new(printed), key, false)
    }

    #[test]
    fn only_the_run_that_died_is_told() {
        let key = Key::new();
        let mut printed = b"from the run before\n".to_vec();
        printed.extend(key.mark(1));
        printed.extend_from_slice(b"thread 'run' (4711) has overflowed its stack\nfatal runtime error\n");
        assert_eq!(
            tail(printed, key).last_lines(),
            "thread 'run' has overflowed its stack\nfatal runtime error"
        );
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let mut kept = Vec::new();
        for _ in 0..1_000 {
            keep(&mut kept, &[b'x'; 4096]);
        }
        keep(&mut kept, &[b'x'; 1 << 20]);
        assert!(kept.len() <= 2 * KEPT, "{} bytes", kept.len());
        let mut runs = Kept::default();
        for run in 0..1_000 {
            keep(&mut runs.now, b"x");
            runs.end(run);
        }
        assert_eq!(runs.before.len(), RUNS);
    }

    #[test]
    fn marks_are_found_however_they_are_read_and_nothing_else_is_one() {
        let (key, other) = (Key::new(), Key::new());
        let alike = other.mark(3);
        let printed = [
            b"one\n".to_vec(),
            key.mark(1),
            b"two".to_vec(),
            alike.clone(),
            key.mark(2),
            b"\x1esqua".to_vec(),
        ]
        .concat();
        for n in 1..=printed.len() {
            let (mut text, mut ended) = (Vec::new(), Vec::new());
            let mut splitter = Splitter::new(key);
            for chunk in printed.chunks(n) {
                splitter.split(chunk, |piece| match piece {
                    Piece::Text(more) => text.extend_from_slice(more),
                    Piece::Ended(run) => ended.push((run, text.len())),
                });
            }
            text.extend(&splitter.held);
            let expected = [b"one\ntwo", &*alike, b"\x1esqua"].concat();
            assert_eq!(text, expected, "in chunks of {n}");
            assert_eq!(ended, [(1, 4), (2, 7 + alike.len())], "in chunks of {n}");
        }
    }
}
