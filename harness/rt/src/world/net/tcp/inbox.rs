//! The receiving side of a connection: puts segments in order and keeps them until they are read.

use std::collections::{BTreeMap, VecDeque};

use tokio::io::ReadBuf;

use super::super::buffers::Buffers;

/// How much may wait to be read, in bytes. Fixed: there is no window auto-tuning.
pub(super) const WINDOW: u64 = 256 << 10;

/// What a segment brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// Nothing that was not there already.
    Nothing,
    /// Something that has to wait for what goes before it.
    Early,
    /// The next bytes of the stream, and nothing is missing.
    Next,
    /// The next bytes of the stream, among others that had to wait for them.
    Gap,
}

/// Bytes in order, bytes that came early, and the window. Buffers that are done with go to `spare`.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    chunks: VecDeque<Vec<u8>>,
    /// What of the first chunk was read.
    read: usize,
    /// Bytes that wait to be read.
    waiting: u64,
    /// The position in the stream of the next byte to arrive.
    next: u64,
    /// Segments that came early, by position.
    early: BTreeMap<u64, Vec<u8>>,
    /// Where the window that the peer knows of ends.
    edge: u64,
    /// Where the stream ends, once that is known.
    end: Option<u64>,
}

impl Inbox {
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Whether the peer has ended the stream and all of it has arrived.
    #[inline]
    pub(super) fn is_complete(&self) -> bool {
        self.end == Some(self.next)
    }

    /// Whether bytes up to `end` are more than what has arrived in order.
    #[inline]
    pub(super) fn is_new(&self, end: u64) -> bool {
        end > self.next
    }

    /// What to acknowledge: the end of the stream counts as one position.
    #[inline]
    pub(super) fn acknowledgement(&self) -> u64 {
        self.next + u64::from(self.is_complete())
    }

    /// Where the window ends, to be told to the peer. It never moves back.
    #[inline]
    pub(super) fn advertise(&mut self) -> u64 {
        self.edge = self.open_to();
        self.edge
    }

    #[inline]
    fn open_to(&self) -> u64 {
        self.edge.max(self.next + WINDOW.saturating_sub(self.waiting))
    }

    /// Whether reading has opened the window enough to tell the peer: half of it, against silly window syndrome.
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        self.open_to() - self.edge >= WINDOW / 2
    }

    /// Takes a segment. `true` in the second place if the stream became complete with it.
    #[inline]
    pub(super) fn arrive(
        &mut self,
        seq: u64,
        data: Vec<u8>,
        fin: bool,
        spare: &mut Buffers,
    ) -> (Brought, bool) {
        let was_complete = self.is_complete();
        let end = seq + data.len() as u64;
        if fin {
            self.end = Some(end);
        }
        let brought = if data.is_empty() || end <= self.next {
            spare.put(data);
            Brought::Nothing
        } else if seq > self.next {
            match self.early.get(&seq) {
                // What is longer covers the shorter one.
                Some(known) if known.len() >= data.len() => spare.put(data),
                _ => spare.put(self.early.insert(seq, data).unwrap_or_default()),
            }
            Brought::Early
        } else {
            self.append(seq, data, spare);
            if self.early.is_empty() {
                Brought::Next
            } else {
                self.append_early(spare);
                Brought::Gap
            }
        };
        (brought, !was_complete && self.is_complete())
    }

    #[inline]
    fn append(&mut self, seq: u64, mut data: Vec<u8>, spare: &mut Buffers) {
        let known = (self.next - seq) as usize;
        if known >= data.len() {
            spare.put(data);
            return;
        }
        if known > 0 {
            data.drain(..known);
        }
        self.waiting += data.len() as u64;
        self.next += data.len() as u64;
        self.chunks.push_back(data);
    }

    fn append_early(&mut self, spare: &mut Buffers) {
        while let Some(first) = self.early.first_entry()
            && *first.key() <= self.next
        {
            let (seq, data) = first.remove_entry();
            self.append(seq, data, spare);
        }
    }

    /// Moves bytes into `buffer`, as many as there are and fit.
    #[inline]
    pub(super) fn read(&mut self, buffer: &mut ReadBuf<'_>, spare: &mut Buffers) {
        while buffer.remaining() > 0
            && let Some(chunk) = self.chunks.front()
        {
            let rest = &chunk[self.read..];
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            self.waiting -= count as u64;
            self.read += count;
            if self.read == chunk.len() {
                spare.put(self.chunks.pop_front().unwrap_or_default());
                self.read = 0;
            }
        }
    }

    /// Copies bytes into `buffer` and leaves them where they are.
    pub(super) fn peek(&self, buffer: &mut [u8]) -> usize {
        let mut copied = 0;
        let mut skip = self.read;
        for chunk in &self.chunks {
            let rest = &chunk[std::mem::take(&mut skip)..];
            let count = rest.len().min(buffer.len() - copied);
            buffer[copied..copied + count].copy_from_slice(&rest[..count]);
            copied += count;
        }
        copied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inbox: &mut Inbox) -> Vec<u8> {
        let mut buffer = [0; 64];
        let mut buffer = ReadBuf::new(&mut buffer);
        inbox.read(&mut buffer, &mut Buffers::default());
        buffer.filled().to_vec()
    }

    #[test]
    fn puts_segments_in_order() {
        let mut inbox = Inbox::default();
        let spare = &mut Buffers::default();
        assert_eq!(inbox.arrive(3, b"def".to_vec(), false, spare), (Brought::Early, false));
        assert_eq!(inbox.arrive(6, b"gh".to_vec(), true, spare), (Brought::Early, false));
        assert_eq!(inbox.acknowledgement(), 0);
        assert_eq!(inbox.arrive(0, b"abc".to_vec(), false, spare), (Brought::Gap, true));
        assert_eq!(inbox.acknowledgement(), 9, "eight bytes and the end");
        assert_eq!(read(&mut inbox), b"abcdefgh");
    }

    #[test]
    fn takes_each_byte_once_however_segments_overlap() {
        let mut inbox = Inbox::default();
        let spare = &mut Buffers::default();
        inbox.arrive(0, b"abc".to_vec(), false, spare);
        assert_eq!(inbox.arrive(0, b"abc".to_vec(), false, spare), (Brought::Nothing, false));
        assert_eq!(inbox.arrive(1, b"bcde".to_vec(), false, spare), (Brought::Next, false));
        inbox.arrive(7, b"h".to_vec(), false, spare);
        inbox.arrive(7, b"hi".to_vec(), false, spare);
        inbox.arrive(8, b"i".to_vec(), false, spare);
        assert_eq!(inbox.arrive(5, b"fgh".to_vec(), false, spare), (Brought::Gap, false));
        assert_eq!(read(&mut inbox), b"abcdefghi");
    }

    #[test]
    fn the_window_shrinks_as_bytes_wait_and_opens_by_halves() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.advertise(), WINDOW);
        inbox.arrive(0, vec![0; WINDOW as usize], false, &mut Buffers::default());
        assert_eq!(inbox.advertise(), WINDOW, "full");
        inbox.read(&mut ReadBuf::new(&mut vec![0; WINDOW as usize / 2 - 1]), &mut Buffers::default());
        assert!(!inbox.has_news());
        inbox.read(&mut ReadBuf::new(&mut [0]), &mut Buffers::default());
        assert!(inbox.has_news());
        assert_eq!(inbox.advertise(), WINDOW + WINDOW / 2);
    }
}
