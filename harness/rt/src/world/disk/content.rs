//! The bytes of one file: as processes see them, and how to get back to what is durable.
//!
//! Pages that were written since the last sync keep their durable version beside the current one. So a write costs one
//! copy, a sync nothing but forgetting, and a crash decides page by page which of the two stays. Pages that were never
//! written are holes and take no memory.

use super::Stream;

const PAGE: usize = 4096;
/// What a disk writes all or nothing.
const BLOCK: usize = 512;

/// `None` is a page of zeros.
type Page = Option<Box<[u8; PAGE]>>;

#[derive(Default)]
struct Slot {
    current: Page,
    /// What is durable, if that is something else.
    durable: Option<Page>,
}

/// The content of a file.
#[derive(Default)]
pub(super) struct Content {
    len: u64,
    durable_len: u64,
    /// Long enough for the longer of the two lengths. Bytes beyond `len` are zero.
    slots: Vec<Slot>,
    /// The slots that have a durable version.
    dirty: Vec<usize>,
}

impl Content {
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reads what there is of `buffer.len()` bytes from `offset` on, and says how many that are.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        let available = self.len.saturating_sub(offset).min(buffer.len() as u64) as usize;
        for (at, part) in parts(offset, available) {
            let to = &mut buffer[part.buffer];
            match &self.slots[at].current {
                Some(page) => to.copy_from_slice(&page[part.page]),
                None => to.fill(0),
            }
        }
        available
    }

    /// Writes `data` at `offset`; a gap before it is filled with zeros.
    pub fn write_at(&mut self, data: &[u8], offset: u64) {
        if data.is_empty() {
            return;
        }
        let end = offset + data.len() as u64;
        if end > self.len {
            self.set_len(end);
        }
        for (at, part) in parts(offset, data.len()) {
            let whole = part.page.len() == PAGE;
            self.change(at, whole)[part.page].copy_from_slice(&data[part.buffer]);
        }
    }

    /// Cuts the file off, or extends it with zeros.
    pub fn set_len(&mut self, len: u64) {
        if len < self.len {
            let (first, within) = ((len / PAGE as u64) as usize, (len % PAGE as u64) as usize);
            if within > 0 && self.slots[first].current.is_some() {
                self.change(first, false)[within..].fill(0);
            }
            for at in first + usize::from(within > 0)..self.slots.len() {
                if self.slots[at].current.is_some() {
                    self.preserve(at, true);
                    self.slots[at].current = None;
                }
            }
        }
        self.len = len;
        self.resize();
    }

    fn resize(&mut self) {
        let pages = self.len.max(self.durable_len).div_ceil(PAGE as u64) as usize;
        if pages < self.slots.len() {
            self.dirty.retain(|&at| at < pages);
        }
        self.slots.resize_with(pages, Slot::default);
    }

    /// A page to be changed; what was in it is lost to the caller if it is to be `overwritten` as a whole.
    fn change(&mut self, at: usize, overwritten: bool) -> &mut [u8; PAGE] {
        self.preserve(at, overwritten);
        self.slots[at].current.get_or_insert_with(|| Box::new([0; PAGE]))
    }

    /// Keeps the durable version of a page before its first change.
    fn preserve(&mut self, at: usize, overwritten: bool) {
        let slot = &mut self.slots[at];
        if slot.durable.is_none() {
            slot.durable = Some(if overwritten { slot.current.take() } else { slot.current.clone() });
            self.dirty.push(at);
        }
    }

    /// Makes everything durable.
    pub fn sync(&mut self) {
        for at in self.dirty.drain(..) {
            self.slots[at].durable = None;
        }
        self.durable_len = self.len;
        self.resize();
    }

    /// Goes back to what is durable.
    pub fn revert(&mut self) {
        for at in self.dirty.drain(..) {
            if let Some(page) = self.slots[at].durable.take() {
                self.slots[at].current = page;
            }
        }
        self.len = self.durable_len;
        self.resize();
    }

    /// Makes any part of what is not durable so, and reverts the rest.
    ///
    /// How much survives is drawn first, so that "all but one page" and "one page alone", which databases fear most,
    /// come up as often as an even mix. Blocks are not reordered within what a page held, but pages are: nothing
    /// but a sync orders writes.
    pub fn tear(&mut self, draws: &mut Stream) {
        if self.dirty.is_empty() && self.len == self.durable_len {
            return;
        }
        let survives = draws.unit();
        let len = if draws.chance(survives) { self.len } else { self.durable_len };
        // A file grows block by block.
        let len = if self.len > self.durable_len && draws.chance(0.25) {
            draws.range(self.durable_len..self.len + 1) / BLOCK as u64 * BLOCK as u64
        } else {
            len
        }
        .clamp(self.len.min(self.durable_len), self.len.max(self.durable_len));
        self.dirty.sort_unstable();
        for at in std::mem::take(&mut self.dirty) {
            let slot = &mut self.slots[at];
            let Some(durable) = slot.durable.take() else { continue };
            let cut_off = (at * PAGE) as u64 >= self.len;
            if cut_off {
                slot.current = durable;
            } else if draws.chance(0.25) {
                let mut torn = slot.current.take().unwrap_or_else(|| Box::new([0; PAGE]));
                for block in (0..PAGE).step_by(BLOCK) {
                    if !draws.chance(survives) {
                        let block = block..block + BLOCK;
                        match &durable {
                            Some(page) => torn[block.clone()].copy_from_slice(&page[block]),
                            None => torn[block].fill(0),
                        }
                    }
                }
                slot.current = Some(torn);
            } else if !draws.chance(survives) {
                slot.current = durable;
            }
        }
        self.len = self.len.max(self.durable_len);
        self.set_len(len);
        self.sync();
    }
}

/// Where a stretch of bytes lies in a page, and in the caller's buffer.
struct Part {
    page: std::ops::Range<usize>,
    buffer: std::ops::Range<usize>,
}

/// The pages that `len` bytes from `offset` on lie in.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (usize, Part)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let position = offset + done as u64;
        let (at, start) = ((position / PAGE as u64) as usize, (position % PAGE as u64) as usize);
        let n = (PAGE - start).min(len - done);
        let part = Part { page: start..start + n, buffer: done..done + n };
        done += n;
        Some((at, part))
    })
}
