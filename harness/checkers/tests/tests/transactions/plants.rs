//! Anomalies to plant into legal histories.

use squall_checkers::transactions::{AnomalyKind, Builder};

/// An anomaly and the kinds that a history with it, and only it, has.
pub type Plant = (&'static str, fn(&mut Builder, u64), &'static [AnomalyKind]);

/// Plants on keys `p` and `q` by sessions from 100 on; `t` is a moment in the middle of the history. All run at once, from
/// `t` to `t + 1`, where nothing else is said.
pub const LISTS: &[Plant] = {
    use AnomalyKind::*;
    &[
        (
            "G0",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).append(q, 1).commit(t + 1);
                b.begin(101).at(t).append(p, 2).append(q, 2).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 1);
                b.begin(103).at(t).read_list(q, &[2, 1]).commit(t + 1);
            },
            &[G0],
        ),
        (
            "G1a",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).abort(t + 1);
                b.begin(101).at(t).read_list(p, &[1]).commit(t + 1);
            },
            &[G1a],
        ),
        (
            "G1b",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).append(p, 2).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[1]).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 1);
            },
            &[G1b, GSingle],
        ),
        (
            "G1c",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).read_list(q, &[1]).commit(t + 1);
                b.begin(101).at(t).append(q, 1).read_list(p, &[1]).commit(t + 1);
            },
            &[G1c],
        ),
        (
            "G1c-process",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[1]).commit(t + 1);
                b.begin(100).at(t).append(p, 1).commit(t + 1);
            },
            &[G1cProcess],
        ),
        (
            "G1c-realtime",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[1]).commit(t + 1);
                b.begin(101).at(t + 2).append(p, 1).commit(t + 3);
            },
            &[G1cRealtime],
        ),
        (
            "G0-process",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 2).commit(t + 1);
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[1, 2]).commit(t + 1);
            },
            &[G0Process],
        ),
        (
            "G0-realtime",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 2).commit(t + 1);
                b.begin(101).at(t + 2).append(p, 1).commit(t + 3);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 3);
            },
            &[G0Realtime],
        ),
        (
            "G-single",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).append(q, 1).commit(t + 1);
                b.begin(101).at(t).append(p, 2).append(q, 2).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1]).read_list(q, &[1, 2]).commit(t + 1);
                b.begin(103).at(t).read_list(p, &[1, 2]).commit(t + 1);
            },
            &[GSingle, FracturedRead],
        ),
        (
            "G-single-process",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(100).at(t).read_list(p, &[]).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[1]).commit(t + 1);
            },
            &[GSingleProcess, FracturedRead],
        ),
        (
            "G-single-realtime",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).read_list(p, &[]).commit(t + 3);
            },
            &[GSingleRealtime],
        ),
        (
            "G-nonadjacent",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t).append(q, 1).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1]).read_list(q, &[]).commit(t + 1);
                b.begin(103).at(t).read_list(p, &[]).read_list(q, &[1]).commit(t + 1);
            },
            &[GNonadjacent],
        ),
        (
            "G2-item",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).read_list(p, &[]).append(q, 1).commit(t + 1);
                b.begin(101).at(t).read_list(q, &[]).append(p, 1).commit(t + 1);
            },
            &[G2Item],
        ),
        (
            "G-nonadjacent-process",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(100).at(t).read_list(q, &[]).commit(t + 1);
                b.begin(101).at(t).append(q, 1).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[]).commit(t + 1);
            },
            &[GNonadjacentProcess],
        ),
        (
            "G-nonadjacent-realtime",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).read_list(q, &[]).commit(t + 3);
                b.begin(102).at(t).append(q, 1).commit(t + 3);
                b.begin(103).at(t).read_list(q, &[1]).read_list(p, &[]).commit(t + 3);
            },
            &[GNonadjacentRealtime],
        ),
        (
            "G2-item-process",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(100).at(t).read_list(q, &[]).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[]).append(q, 1).commit(t + 1);
            },
            &[G2ItemProcess],
        ),
        (
            "G2-item-realtime",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).read_list(q, &[]).commit(t + 3);
                b.begin(102).at(t).read_list(p, &[]).append(q, 1).commit(t + 3);
            },
            &[G2ItemRealtime],
        ),
        (
            "a session that is seen in part",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(100).at(t).read_list(q, &[]).append(q, 2).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[]).read_list(q, &[2]).commit(t + 1);
            },
            &[GSingleProcess, CausalityViolation],
        ),
        (
            "lost update",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[]).append(p, 1).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[]).append(p, 2).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 1);
            },
            &[LostUpdate, GSingle],
        ),
        (
            "lost update that nobody read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[]).append(p, 1).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[]).append(p, 2).commit(t + 1);
            },
            &[LostUpdate, G2Item],
        ),
        (
            "lost append",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).append(p, 2).commit(t + 3);
                b.begin(102).at(t + 4).read_list(p, &[2]).commit(t + 5);
            },
            &[G0Realtime, GSingleRealtime],
        ),
        (
            "internal",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).read_list(p, &[]).commit(t + 1);
            },
            &[Internal],
        ),
        (
            "future read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[1]).append(p, 1).commit(t + 1);
            },
            &[FutureRead],
        ),
        (
            "garbage read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read_list(p, &[9]).commit(t + 1);
            },
            &[GarbageRead],
        ),
        (
            "duplicate elements",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[1, 1]).commit(t + 1);
            },
            &[DuplicateElements],
        ),
        (
            "incompatible order",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).commit(t + 1);
                b.begin(101).at(t).append(p, 2).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 1);
                b.begin(103).at(t).read_list(p, &[2, 1]).commit(t + 1);
            },
            &[IncompatibleOrder],
        ),
        (
            "dirty update",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).abort(t + 1);
                b.begin(101).at(t).append(p, 2).commit(t + 1);
                b.begin(102).at(t).read_list(p, &[1, 2]).commit(t + 1);
            },
            &[DirtyUpdate, G1a],
        ),
        (
            "skipped append",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).append(p, 2).commit(t + 1);
                b.begin(101).at(t).read_list(p, &[2]).commit(t + 1);
            },
            &[SkippedAppend],
        ),
        (
            "an append of unknown outcome that was seen",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).append(p, 1).append(q, 1).unknown();
                b.begin(101).at(t + 2).read_list(p, &[1]).commit(t + 3);
                b.begin(102).at(t + 4).read_list(q, &[]).commit(t + 5);
            },
            &[GSingleRealtime],
        ),
        (
            "nothing: an append of unknown outcome",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).append(p, 1).unknown();
                b.begin(101).at(t + 2).read_list(p, &[]).commit(t + 3);
            },
            &[],
        ),
    ]
};

pub const REGISTERS: &[Plant] = {
    use AnomalyKind::*;
    &[
        (
            "G1a",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).abort(t + 1);
                b.begin(101).at(t).read(p, Some(1)).commit(t + 1);
            },
            &[G1a],
        ),
        (
            "G1b",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).write(p, 2).commit(t + 1);
                b.begin(101).at(t).read(p, Some(1)).commit(t + 1);
            },
            &[G1b],
        ),
        (
            // What its writer replaced itself is no version, so that nothing follows it.
            "G1b beside who replaced the version",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).write(p, 2).commit(t + 1);
                b.begin(101).at(t).read(p, Some(2)).write(p, 3).write(q, 1).commit(t + 1);
                b.begin(102).at(t).read(p, Some(1)).read(q, Some(1)).commit(t + 1);
            },
            &[G1b],
        ),
        (
            "G1c",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).read(q, Some(1)).commit(t + 1);
                b.begin(101).at(t).write(q, 1).read(p, Some(1)).commit(t + 1);
            },
            &[G1c],
        ),
        (
            "G-single",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).write(q, 1).commit(t + 1);
                b.begin(101).at(t).read(p, None).read(q, Some(1)).commit(t + 1);
            },
            &[GSingle, FracturedRead],
        ),
        (
            "long fork",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(101).at(t).write(q, 1).commit(t + 1);
                b.begin(102).at(t).read(p, Some(1)).read(q, None).commit(t + 1);
                b.begin(103).at(t).read(p, None).read(q, Some(1)).commit(t + 1);
            },
            &[GNonadjacent],
        ),
        (
            "G2-item",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).read(p, None).write(q, 1).commit(t + 1);
                b.begin(101).at(t).read(q, None).write(p, 1).commit(t + 1);
            },
            &[G2Item],
        ),
        (
            "G-nonadjacent-process",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(100).at(t).read(q, None).commit(t + 1);
                b.begin(101).at(t).write(q, 1).commit(t + 1);
                b.begin(101).at(t).read(p, None).commit(t + 1);
            },
            &[GNonadjacentProcess],
        ),
        (
            "G-nonadjacent-realtime",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).read(q, None).commit(t + 3);
                b.begin(102).at(t).write(q, 1).commit(t + 3);
                b.begin(103).at(t).read(q, Some(1)).read(p, None).commit(t + 3);
            },
            &[GNonadjacentRealtime],
        ),
        (
            "G2-item-process",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(100).at(t).read(q, None).commit(t + 1);
                b.begin(101).at(t).read(p, None).write(q, 1).commit(t + 1);
            },
            &[G2ItemProcess],
        ),
        (
            "G2-item-realtime",
            |b, t| {
                let (p, q) = (b.key("p"), b.key("q"));
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).read(q, None).commit(t + 3);
                b.begin(102).at(t).read(p, None).write(q, 1).commit(t + 3);
            },
            &[G2ItemRealtime],
        ),
        (
            "lost update",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read(p, None).write(p, 1).commit(t + 1);
                b.begin(101).at(t).read(p, None).write(p, 2).commit(t + 1);
            },
            &[LostUpdate, G2Item],
        ),
        (
            "stale read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).read(p, Some(1)).write(p, 2).commit(t + 3);
                b.begin(102).at(t + 4).read(p, Some(1)).commit(t + 5);
            },
            &[GSingleRealtime],
        ),
        (
            "internal",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).read(p, None).commit(t + 1);
            },
            &[Internal],
        ),
        (
            "fuzzy read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(101).at(t).read(p, None).read(p, Some(1)).commit(t + 1);
            },
            &[Internal, GSingle],
        ),
        (
            "future read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read(p, Some(1)).write(p, 1).commit(t + 1);
            },
            &[FutureRead],
        ),
        (
            "garbage read",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).read(p, Some(9)).commit(t + 1);
            },
            &[GarbageRead],
        ),
        (
            "a stale read that no dependency shows",
            |b, t| {
                let p = b.key("p");
                b.begin(100).at(t).write(p, 1).commit(t + 1);
                b.begin(101).at(t + 2).write(p, 2).commit(t + 3);
                b.begin(102).at(t + 4).read(p, Some(1)).commit(t + 5);
            },
            &[NoOrder],
        ),
    ]
};
