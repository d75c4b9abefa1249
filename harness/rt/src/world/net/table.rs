//! Tables of sockets, by keys that are never used twice: a key that outlives its socket finds nothing.

use slab::Slab;

/// Names a socket for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    slot: u32,
    serial: u32,
}

pub(super) struct Table<T> {
    slots: Slab<(u32, T)>,
    serial: u32,
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Table { slots: Slab::new(), serial: 0 }
    }

    pub(super) fn insert(&mut self, value: T) -> Key {
        self.serial = self.serial.checked_add(1).expect("fewer than 2^32 sockets in one run");
        Key { slot: self.slots.insert((self.serial, value)) as u32, serial: self.serial }
    }

    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<&T> {
        self.slots.get(key.slot as usize).filter(|(serial, _)| *serial == key.serial).map(|(_, value)| value)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (serial, value) = self.slots.get_mut(key.slot as usize)?;
        (*serial == key.serial).then_some(value)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        Some(self.slots.remove(key.slot as usize).1)
    }

    /// The keys of all sockets for which `which` holds, by slot.
    pub(super) fn keys_where(&self, which: impl Fn(&T) -> bool) -> Vec<Key> {
        let matching = self.slots.iter().filter(|(_, (_, value))| which(value));
        matching.map(|(slot, (serial, _))| Key { slot: slot as u32, serial: *serial }).collect()
    }

    /// Whether `which` holds for one of them.
    pub(super) fn any(&self, which: impl Fn(&T) -> bool) -> bool {
        self.slots.iter().any(|(_, (_, value))| which(value))
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(&mut self.slots).into_iter().map(|(_, (_, value))| value)
    }
}
