//! What real time says of the order in which a register's versions were installed.
//!
//! In an order of transactions that explains all reads, who wrote a version of a register and who read it stand
//! together, in a *block*: no other version of it is installed between them. So if anybody of one block had ended before
//! anybody of another began, all of the one comes before the writer of the other. (For a register that is written by single
//! operations these are the zones of Gibbons and Korach, SIAM J. Comput. 1997; here they are one register's share in
//! transactions on many.) That holds of whatever keeps real time: strict serializability, and strong snapshot isolation
//! for writers among each other.
//!
//! With the earliest end and the latest beginning of each block the edges are found in O(n log n), and there are O(n).

use rustc_hash::FxHashMap;

use super::{
    facts::{Facts, INITIAL},
    graph::{BLOCK, Edges},
    history::History,
};

/// A version that somebody installed, and who read it.
struct Block {
    key: u32,
    writer: u32,
    /// Who read it and does not write the key: who does begins a block of their own, which follows at once.
    readers: Vec<u32>,
    /// When the first of its members ended and the last began.
    first_end: u64,
    last_start: u64,
}

/// Adds what blocks among some transactions show; `readers_too`: readers come before the writer of a later version as
/// writers do.
pub(crate) fn order(history: &History, facts: &Facts, among: &[bool], readers_too: bool, edges: &mut Edges) {
    for blocks in blocks(history, facts, among).chunk_by_mut(|a, b| a.key == b.key) {
        order_key(blocks, readers_too, edges);
    }
}

/// The blocks of all registers, key by key, in the order in which the first member of each ended.
fn blocks(history: &History, facts: &Facts, among: &[bool]) -> Vec<Block> {
    let mut numbers: FxHashMap<(u32, u32), usize> = FxHashMap::default();
    let mut blocks: Vec<Block> = Vec::new();
    let among = || (0..history.len() as u32).filter(|&txn| among[txn as usize]);
    let is_register = |key: u32| !history.lists[key as usize];
    for writer in among() {
        for &key in facts.writes(writer).iter().filter(|&&key| is_register(key)) {
            numbers.insert((key, writer), blocks.len());
            blocks.push(Block { key, writer, readers: Vec::new(), first_end: u64::MAX, last_start: 0 });
            spans(&mut blocks, numbers[&(key, writer)], history, writer);
        }
    }
    for reader in among() {
        // Of a version that its writer replaced itself nothing follows; there is no block of it.
        let versions = facts.reads(reader).iter().filter(|read| {
            read.source != INITIAL
                && read.source != reader
                && read.length != u32::MAX
                && is_register(read.key)
        });
        for read in versions {
            let Some(&block) = numbers.get(&(read.key, read.source)) else { continue };
            spans(&mut blocks, block, history, reader);
            if !facts.writes_key(reader, read.key) {
                blocks[block].readers.push(reader);
            }
        }
    }
    blocks.sort_by_key(|block| (block.key, block.first_end));
    blocks
}

/// Counts a member's times in.
fn spans(blocks: &mut [Block], block: usize, history: &History, member: u32) {
    if let Some((start, end)) = history.transactions[member as usize].at {
        let block = &mut blocks[block];
        block.first_end = block.first_end.min(end);
        block.last_start = block.last_start.max(start);
    }
}

/// The blocks of one register. Each is behind a connector, and the connectors behind each other, so that the last
/// connector before a block's latest beginning stands for all blocks that must come before it. The block itself may be
/// among these; then so is, of those after it, the next one, and that one is enough: what is before it and had ended
/// after it did must come before and after it.
fn order_key(blocks: &[Block], readers_too: bool, edges: &mut Edges) {
    if blocks.len() < 2 {
        return;
    }
    let connectors: Vec<u32> = blocks.iter().map(|_| edges.connector()).collect();
    for pair in connectors.windows(2) {
        edges.add(pair[0], pair[1], BLOCK, blocks[0].key);
    }
    let members = |block: &Block| {
        let readers = if readers_too { &*block.readers } else { &[] };
        [&[block.writer], readers].concat()
    };
    for (place, block) in blocks.iter().enumerate() {
        for member in members(block) {
            edges.add(member, connectors[place], BLOCK, block.key);
        }
        let before = blocks.partition_point(|other| other.first_end < block.last_start);
        if let Some(last) = before.min(place).checked_sub(1) {
            edges.add(connectors[last], block.writer, BLOCK, block.key);
        }
        if before > place + 1 {
            for member in members(&blocks[place + 1]) {
                edges.add(member, block.writer, BLOCK, block.key);
            }
        }
    }
}
