//! The log of a run as it comes: bounded, the oldest lines going first.

use std::collections::VecDeque;

use crate::log::{Log, Logged};

/// How many bytes of text are kept, in lines of any number.
const ROOM: usize = 32 << 20;
/// What a line takes beside its text, about.
const LINE: usize = 128;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Lines {
    lines: VecDeque<Logged>,
    bytes: usize,
    pub unwanted: u64,
    dropped: u64,
}

impl Lines {
    pub fn push(&mut self, line: Logged) {
        self.bytes += size(&line);
        self.lines.push_back(line);
        while self.bytes > ROOM
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= size(&oldest);
            self.dropped += 1;
        }
    }

    pub fn take(&mut self) -> Log {
        let Lines { lines, unwanted, dropped, .. } = std::mem::take(self);
        Log { lines: lines.into(), unwanted, dropped }
    }
}

fn size(line: &Logged) -> usize {
    LINE + line.target.len() + line.text.len() + line.spans.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::log::{Level, Place};

    #[test]
    fn a_service_that_never_stops_talking_fills_no_memory() {
        let mut lines = Lines::default();
        for n in 0..40 {
            let place = Place { at: Duration::ZERO, after: n, line: n, node: String::new(), incarnation: 1 };
            lines.push(Logged::new(place, Level::Warn, "t", "x".repeat(1 << 20), String::new()));
        }
        let log = lines.take();
        assert!(log.lines.len() < 32 && log.dropped == 40 - log.lines.len() as u64, "{}", log.lines.len());
        assert_eq!(log.lines.last().map(|line| line.after), Some(39), "the last are kept");
    }
}
