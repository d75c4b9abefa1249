//! The bytes of one file: as processes see them, and how to get back to what is durable.
//!
//! Pages whose durable version is not the current one keep it beside that. So a write costs one copy, a sync nothing but
//! forgetting, and a crash decides page by page which of the two stays. Pages that were never written are holes and take
//! no memory.
//!
//! Such a page is *dirty* while the next sync would write it. After a failed sync it is not: the kernel has marked it
//! clean, shows it still, and no sync writes it until it is written to again.

use xxhash_rust::xxh3::Xxh3;

use super::Stream;

/// What the page cache and the allocation of room count in.
pub(super) const PAGE: usize = 4096;
/// What a disk writes all or nothing.
const BLOCK: usize = 512;

/// `None` is a page of zeros.
type Page = Option<Box<[u8; PAGE]>>;

#[derive(Default)]
struct Slot {
    current: Page,
    /// What is durable, if that is something else.
    durable: Option<Page>,
    /// To be written by the next sync. Only with a durable version beside it.
    dirty: bool,
    /// A sync that made nothing durable has reported it durable.
    claimed: bool,
}

impl Slot {
    /// What is current is durable from here on.
    fn settle(&mut self) {
        (self.durable, self.dirty, self.claimed) = (None, false, false);
    }
}

/// The content of a file.
#[derive(Default)]
pub(super) struct Content {
    len: u64,
    durable_len: u64,
    /// Long enough for the longer of the two lengths. Bytes beyond `len` are zero.
    slots: Vec<Slot>,
    /// The slots that have a durable version.
    unsettled: Vec<usize>,
    /// A sync that made nothing durable has reported the length durable.
    len_claimed: bool,
}

impl Content {
    pub fn len(&self) -> u64 {
        self.len
    }

    /// How many bytes there are to read, of `len` from `offset` on.
    pub fn available(&self, len: usize, offset: u64) -> usize {
        self.len.saturating_sub(offset).min(len as u64) as usize
    }

    /// Reads what there is of `buffer.len()` bytes from `offset` on, and says how many that are.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        let available = self.available(buffer.len(), offset);
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
            self.unsettled.retain(|&at| at < pages);
        }
        self.slots.resize_with(pages, Slot::default);
    }

    /// A page to be changed; what was in it is lost to the caller if it is to be `overwritten` as a whole.
    fn change(&mut self, at: usize, overwritten: bool) -> &mut [u8; PAGE] {
        self.preserve(at, overwritten);
        self.slots[at].current.get_or_insert_with(|| Box::new([0; PAGE]))
    }

    /// Keeps the durable version of a page before a change.
    fn preserve(&mut self, at: usize, overwritten: bool) {
        let slot = &mut self.slots[at];
        slot.dirty = true;
        if slot.durable.is_none() {
            slot.durable = Some(if overwritten { slot.current.take() } else { slot.current.clone() });
            self.unsettled.push(at);
        }
    }

    /// Makes durable what is dirty, and the length.
    pub fn sync(&mut self) {
        let slots = &mut self.slots;
        self.unsettled.retain(|&at| {
            if slots[at].dirty {
                slots[at].settle();
            }
            slots[at].durable.is_some()
        });
        self.durable_len = self.len;
        self.len_claimed = false;
        self.resize();
    }

    /// A sync the disk failed: what is dirty is marked clean and is not durable. The length, which is kept in the
    /// file system's journal, is written by the next sync.
    pub fn fail_sync(&mut self) {
        for &at in &self.unsettled {
            self.slots[at].dirty = false;
        }
    }

    /// A sync that makes nothing durable and says that it did. Returns false if there was nothing to lie about.
    pub fn claim(&mut self) -> bool {
        self.len_claimed |= self.len != self.durable_len;
        let mut lied = self.len_claimed;
        for &at in &self.unsettled {
            self.slots[at].claimed |= self.slots[at].dirty;
            lied |= self.slots[at].dirty;
        }
        lied
    }

    /// Makes durable what was claimed to be.
    pub fn settle_claims(&mut self) {
        let slots = &mut self.slots;
        self.unsettled.retain(|&at| {
            if slots[at].claimed {
                slots[at].settle();
            }
            slots[at].durable.is_some()
        });
        if std::mem::take(&mut self.len_claimed) {
            self.durable_len = self.len;
            self.resize();
        }
    }

    /// Goes back to what is durable. Returns how many bytes that had been claimed to be are lost, in whole pages.
    pub fn revert(&mut self) -> u64 {
        let mut lost = 0;
        for at in self.unsettled.drain(..) {
            let slot = &mut self.slots[at];
            lost += PAGE as u64 * u64::from(slot.claimed);
            if let Some(page) = slot.durable.take() {
                slot.current = page;
            }
            slot.settle();
        }
        if std::mem::take(&mut self.len_claimed) && lost == 0 {
            lost = self.len.abs_diff(self.durable_len);
        }
        self.len = self.durable_len;
        self.resize();
        lost
    }

    /// Makes any part of what is not durable so, and reverts the rest.
    ///
    /// How much survives is drawn first, so that "all but one page" and "one page alone", which databases fear most,
    /// come up as often as an even mix. Blocks are not reordered within what a page held, but pages are: nothing
    /// but a sync orders writes. Of what a failed sync gave up nothing survives.
    ///
    /// Returns how many bytes that had been claimed to be durable are lost, in whole pages.
    pub fn tear(&mut self, draws: &mut Stream) -> u64 {
        if self.unsettled.is_empty() && self.len == self.durable_len {
            return 0;
        }
        let mut lost = 0;
        let claimed_len = std::mem::take(&mut self.len_claimed).then_some(self.len);
        let survives = draws.unit();
        let len = if draws.chance(survives) { self.len } else { self.durable_len };
        // A file grows block by block.
        let len = if self.len > self.durable_len && draws.chance(0.25) {
            draws.range(self.durable_len..self.len + 1) / BLOCK as u64 * BLOCK as u64
        } else {
            len
        }
        .clamp(self.len.min(self.durable_len), self.len.max(self.durable_len));
        self.unsettled.sort_unstable();
        for at in std::mem::take(&mut self.unsettled) {
            let slot = &mut self.slots[at];
            let Some(durable) = slot.durable.take() else { continue };
            let (dirty, claimed) = (slot.dirty, slot.claimed);
            slot.settle();
            let mut whole = false;
            let cut_off = (at * PAGE) as u64 >= self.len;
            if cut_off || !dirty {
                slot.current = durable;
            } else if draws.chance(0.25) {
                let mut torn = slot.current.take().unwrap_or_else(|| Box::new([0; PAGE]));
                whole = true;
                for block in (0..PAGE).step_by(BLOCK) {
                    if !draws.chance(survives) {
                        whole = false;
                        let block = block..block + BLOCK;
                        match &durable {
                            Some(page) => torn[block.clone()].copy_from_slice(&page[block]),
                            None => torn[block].fill(0),
                        }
                    }
                }
                slot.current = Some(torn);
            } else if draws.chance(survives) {
                whole = true;
            } else {
                slot.current = durable;
            }
            lost += PAGE as u64 * u64::from(claimed && !whole);
        }
        if lost == 0 {
            lost = claimed_len.map_or(0, |claimed| claimed.abs_diff(len));
        }
        self.len = self.len.max(self.durable_len);
        self.set_len(len);
        self.sync();
        lost
    }

    /// Hashes what there is to read, and what is durable where that is something else.
    pub fn digest(&self, hasher: &mut Xxh3) {
        hasher.update(&self.len.to_le_bytes());
        hasher.update(&self.durable_len.to_le_bytes());
        for (at, slot) in self.slots.iter().enumerate() {
            for (version, page) in [Some(&slot.current), slot.durable.as_ref()].into_iter().enumerate() {
                // A hole takes no time: a large file may be nothing else.
                if let Some(Some(page)) = page {
                    hasher.update(&[(at as u64).to_le_bytes(), (version as u64).to_le_bytes()].concat());
                    hasher.update(&page[..]);
                }
            }
        }
    }

    /// How many pages take room.
    pub fn pages(&self) -> u64 {
        self.slots.iter().filter(|slot| slot.current.is_some()).count() as u64
    }

    /// How many of `len` bytes at `offset` can be written if there is room for so many more pages.
    pub fn fits(&self, len: usize, offset: u64, mut room: u64) -> usize {
        let mut fits = 0;
        for (at, part) in parts(offset, len) {
            if self.slots.get(at).is_none_or(|slot| slot.current.is_none()) {
                if room == 0 {
                    break;
                }
                room -= 1;
            }
            fits = part.buffer.end;
        }
        fits
    }

    /// Flips one bit of the byte at `offset`, in the page cache and on the medium. No one notices.
    pub fn flip(&mut self, offset: u64, bit: u8) {
        let (at, within) = ((offset / PAGE as u64) as usize, (offset % PAGE as u64) as usize);
        let slot = &mut self.slots[at];
        let rot = |page: &mut Page| page.get_or_insert_with(|| Box::new([0; PAGE]))[within] ^= 1 << bit;
        rot(&mut slot.current);
        if offset < self.durable_len
            && let Some(durable) = &mut slot.durable
        {
            rot(durable);
        }
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
