//! What goes over the socket between a worker and its parent: frames, which say what they are about and whose they are.
//!
//! Code under test lives in the worker and can write to any descriptor, or fork and have a second process answer. So each frame begins with
//! a key that parent and worker alone know, names the process that wrote it and the run it is about, and carries checksums:
//! what was not written by the worker itself is told from what was, wherever in the stream it stands.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Read, Write},
};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::log::Place;

/// What a parent says first, so that a worker knows that it has one. Its last byte is the version of what follows.
const GREETING: [u8; 8] = *b"squall\n\x01";

/// How long a frame's head is.
const HEAD: usize = 40;

/// What only a parent and its worker know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    /// Another one each time.
    pub(super) fn new() -> Self {
        // The standard library's hash maps draw theirs from the operating system.
        Key(RandomState::new().build_hasher().finish())
    }

    /// Sends it ahead of everything else, with how much memory the worker may have, in bytes.
    pub(super) fn greet(self, memory: u64, mut to: impl Write) -> io::Result<()> {
        to.write_all(&[GREETING, self.0.to_le_bytes(), memory.to_le_bytes()].concat())
    }

    /// What [`greet`](Self::greet) sent; none if it was not that.
    pub(super) fn greeted(mut from: impl Read) -> io::Result<Option<(Key, u64)>> {
        let mut said = [0; 24];
        from.read_exact(&mut said)?;
        let number = |at: usize| u64::from_le_bytes(said[at..at + 8].try_into().expect("eight bytes"));
        Ok((said[..8] == GREETING).then_some((Key(number(8)), number(16))))
    }

    /// What stands among what is printed, for this.
    pub(super) fn mark(self, mark: &Mark) -> Vec<u8> {
        let told = serde_json::to_string(mark).expect("marks serialise into memory");
        format!("{}{:04x} {told}{}", self.begins_mark(), told.len(), Mark::END).into_bytes()
    }

    fn begins_mark(self) -> String {
        format!("{}squall {:016x} ", char::from(Mark::FIRST), self.0)
    }

    /// What begins with `bytes`, the first of which is [`Mark::FIRST`].
    pub(super) fn mark_at(self, bytes: &[u8]) -> Marked {
        const DIGITS: usize = 4;
        let begins = self.begins_mark().into_bytes();
        let known = bytes.len().min(begins.len());
        if bytes[..known] != begins[..known] {
            return Marked::Not;
        }
        let Some(len) = bytes.get(begins.len()..begins.len() + DIGITS) else { return Marked::Perhaps };
        let len = std::str::from_utf8(len).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some(len) = len else { return Marked::Not };
        let from = begins.len() + DIGITS + 1;
        let Some(rest) = bytes.get(from..from + len + Mark::END.len()) else { return Marked::Perhaps };
        match serde_json::from_slice(&rest[..len]) {
            Ok(mark) if rest[len..] == *Mark::END.as_bytes() => {
                Marked::Is(mark, from + len + Mark::END.len())
            }
            _ => Marked::Not,
        }
    }
}

/// What a worker tells among what code under test prints: it is in order with that, as nothing that goes over the socket is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    /// What follows is printed here.
    Place(Place),
    /// The run of this number has ended: what follows is another's.
    Ended(u64),
    /// Another process has sent the worker a signal, of which it dies.
    Struck,
}

impl Mark {
    /// What every mark begins with.
    pub(super) const FIRST: u8 = 0x1e;
    /// What every mark ends with.
    const END: &str = "\x1e\n";
}

/// What [`Key::mark_at`] found.
pub(super) enum Marked {
    /// No mark of ours.
    Not,
    /// There is not enough of it to say.
    Perhaps,
    /// This one, so many bytes long.
    Is(Mark, usize),
}

/// A message about a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The process that wrote it.
    pub pid: u32,
    /// The number of the run, as the parent counts those that this worker was given.
    pub run: u64,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Appends it to what is to be sent.
    pub(super) fn push(self, key: Key, out: &mut Vec<u8>) {
        let len = u32::try_from(self.payload.len()).expect("a report of 4 GiB does not fit into memory");
        let at = out.len();
        out.extend(key.0.to_le_bytes());
        out.extend(self.pid.to_le_bytes());
        out.extend(len.to_le_bytes());
        out.extend(self.run.to_le_bytes());
        out.extend(xxh3_64_with_seed(&self.payload, key.0).to_le_bytes());
        out.extend(xxh3_64_with_seed(&out[at..], key.0).to_le_bytes());
        out.extend(self.payload);
    }

    /// Reads the next one; none at the end of the stream, which may come in the middle of a frame when its writer dies.
    pub(super) fn read(key: Key, mut from: impl Read) -> Result<Option<Frame>, Foreign> {
        let mut head = [0; HEAD];
        if from.read_exact(&mut head).is_err() {
            return Ok(None);
        }
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let half = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
        if number(0) != key.0 || number(32) != xxh3_64_with_seed(&head[..32], key.0) {
            return Err(Foreign);
        }
        let len = half(12) as usize;
        let mut payload = Vec::with_capacity(len);
        match from.take(len as u64).read_to_end(&mut payload) {
            Ok(read) if read == len => {}
            _ => return Ok(None),
        }
        if number(24) != xxh3_64_with_seed(&payload, key.0) {
            return Err(Foreign);
        }
        Ok(Some(Frame { pid: half(8), run: number(16), payload }))
    }
}

/// Something that the other side's harness did not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foreign;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(run: u64) -> Frame {
        Frame { pid: 7, run, payload: vec![b'x'; 100] }
    }

    fn sent(key: Key) -> Vec<u8> {
        let mut out = Vec::new();
        frame(1).push(key, &mut out);
        frame(2).push(key, &mut out);
        out
    }

    /// All that can be read, and whether it ends with something foreign.
    fn read(key: Key, mut bytes: &[u8]) -> (Vec<Frame>, bool) {
        let mut frames = Vec::new();
        loop {
            match Frame::read(key, &mut bytes) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, false),
                Err(Foreign) => return (frames, true),
            }
        }
    }

    #[test]
    fn frames_arrive_as_they_were() {
        let key = Key::new();
        assert_eq!(read(key, &sent(key)), (vec![frame(1), frame(2)], false));
        assert_eq!(read(key, &[]), (vec![], false));
        assert_eq!(read(key, &sent(key)[..150]), (vec![frame(1)], false), "its writer died");
    }

    #[test]
    fn what_others_write_is_never_taken_for_a_frame() {
        let key = Key::new();
        let sent = sent(key);
        let of_another_worker = super::tests::sent(Key::new());
        for garbage in [&b"{\"start\":4711}\n"[..], &[0; 64], &[0xff; 200], &of_another_worker] {
            for at in 0..=sent.len() {
                let mixed = [&sent[..at], garbage, &sent[at..]].concat();
                let (frames, foreign) = read(key, &mixed);
                let whole = at / 140;
                assert_eq!(frames.len(), whole, "inserted at {at}");
                assert!(foreign || at == sent.len(), "inserted at {at}");
                assert!(frames.iter().zip(1..).all(|(f, run)| *f == frame(run)));
            }
        }
    }

    #[test]
    fn a_greeting_is_known() {
        let key = Key::new();
        let mut said = Vec::new();
        key.greet(4711, &mut said).expect("memory takes it");
        assert_eq!(Key::greeted(&*said).expect("it is whole"), Some((key, 4711)));
        assert_eq!(
            Key::greeted(&b"{\"spec\":null,\"runs\":[],\"options\":{}}"[..]).expect("it is long enough"),
            None
        );
        assert!(Key::greeted(&b"short"[..]).is_err());
    }
}
