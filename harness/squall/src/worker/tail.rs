//! The end of what a worker prints on standard error, per run: all there is to tell of a death.

use std::{
    io::{Read, Write},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

/// Written by a worker to standard error as a run begins: what came before belongs to the run before.
const START: &[u8] = b"\x1esquall run\x1e\n";

/// How many bytes are kept at least; twice as many at most.
const KEPT: usize = 8 << 10;

/// How many lines are told.
const LINES: usize = 6;

/// Separates the output of the run that begins from that of the run before.
pub(super) fn mark_start() {
    // A closed standard error is the code under test's own doing; then there is nothing to separate.
    let _ = std::io::stderr().write_all(START);
}

/// Reads a worker's standard error to its end and keeps the last of it.
pub(super) struct Tail {
    kept: Arc<Mutex<Vec<u8>>>,
    ended: mpsc::Receiver<()>,
}

impl Tail {
    /// Reads on a thread of its own; passes everything on to our standard error if `pass_on`.
    pub(super) fn of(mut stderr: impl Read + Send + 'static, pass_on: bool) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = mpsc::channel();
        let ours = kept.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            let mut passing = Passing::default();
            while let Ok(n @ 1..) = stderr.read(&mut chunk) {
                let mut kept = ours.lock().expect("nothing panics while it holds the lock");
                keep(&mut kept, &chunk[..n]);
                drop(kept);
                if pass_on {
                    let _ = std::io::stderr().write_all(&passing.next(&chunk[..n]));
                }
            }
            let _ = std::io::stderr().write_all(&passing.held);
            let _ = end.send(());
        });
        Tail { kept, ended }
    }

    /// Waits until all has been read; call it once the worker is dead.
    pub(super) fn finish(&self) {
        // A child of the dead worker may hold the pipe open for ever.
        let _ = self.ended.recv_timeout(Duration::from_millis(500));
    }

    /// The last lines of the run that was the last to begin; call it once the worker is dead. Empty if it printed nothing.
    pub(super) fn last_lines(&self) -> String {
        self.finish();
        let kept = self.kept.lock().expect("nothing panics while it holds the lock");
        let text = String::from_utf8_lossy(&kept);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last: Vec<String> =
            lines[lines.len().saturating_sub(LINES)..].iter().map(|line| without_thread_id(line)).collect();
        last.join("\n")
    }
}

fn keep(kept: &mut Vec<u8>, chunk: &[u8]) {
    kept.extend_from_slice(chunk);
    if let Some(at) = kept.windows(START.len()).rposition(|bytes| bytes == START) {
        kept.drain(..at + START.len());
    }
    if kept.len() > 2 * KEPT {
        kept.drain(..kept.len() - KEPT);
    }
}

/// What is passed on: everything but the marks.
#[derive(Default)]
struct Passing {
    /// What may be the beginning of a mark.
    held: Vec<u8>,
}

impl Passing {
    fn next(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut left = std::mem::take(&mut self.held);
        left.extend_from_slice(chunk);
        while let Some(at) = left.windows(START.len()).position(|bytes| bytes == START) {
            left.drain(at..at + START.len());
        }
        let begun = (1..START.len()).rev().find(|n| left.ends_with(&START[..*n])).unwrap_or(0);
        self.held = left.split_off(left.len() - begun);
        left
    }
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

    #[test]
    fn only_the_run_that_died_is_told() {
        let mut printed = b"from the run before\n".to_vec();
        printed.extend_from_slice(START);
        printed.extend_from_slice(b"thread 'run' (4711) has overflowed its stack\nfatal runtime error\n");
        let tail = Tail::of(std::io::Cursor::new(printed), false);
        assert_eq!(tail.last_lines(), "thread 'run' has overflowed its stack\nfatal runtime error");
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let mut kept = Vec::new();
        for _ in 0..1_000 {
            keep(&mut kept, &[b'x'; 4096]);
        }
        assert!(kept.len() <= 2 * KEPT + 4096, "{} bytes", kept.len());
    }

    #[test]
    fn what_is_passed_on_has_no_marks_however_it_is_read() {
        let printed = [b"one\n", START, b"two", START, START, b"half a line\x1e"].concat();
        for n in 1..printed.len() {
            let mut passing = Passing::default();
            let mut passed: Vec<u8> = printed.chunks(n).flat_map(|chunk| passing.next(chunk)).collect();
            passed.extend(&passing.held);
            assert_eq!(passed, b"one\ntwohalf a line\x1e", "in chunks of {n}");
        }
    }

    #[test]
    fn a_mark_that_is_read_in_two_parts_still_separates() {
        let (a, b) = START.split_at(5);
        let mut kept = Vec::new();
        keep(&mut kept, b"before");
        keep(&mut kept, a);
        keep(&mut kept, b);
        keep(&mut kept, b"after");
        assert_eq!(kept, b"after");
    }
}
