//! Buffers of packets gone by, for packets to come: a packet in steady traffic allocates nothing.

/// How many are kept.
const KEPT: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    /// An empty buffer.
    #[inline]
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    #[inline]
    pub(super) fn put(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && self.0.len() < KEPT {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}
