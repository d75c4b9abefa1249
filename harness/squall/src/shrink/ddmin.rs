//! Delta debugging.

/// A part of `items`, in order, that still passes `fails` and of which no single item can be left out. All of `items` must pass
/// it. When `fails` gives up (answers no to everything), what was found so far is returned.
pub(crate) fn ddmin<T: Clone>(mut items: Vec<T>, fails: &mut dyn FnMut(&[T]) -> bool) -> Vec<T> {
    if !items.is_empty() && fails(&[]) {
        return Vec::new();
    }
    let mut parts = 2;
    while items.len() > 1 {
        parts = parts.min(items.len());
        let chunk = items.len().div_ceil(parts);
        let mut reduced = None;
        // A part alone, then all but a part. With two parts these are the same.
        let alone = items.chunks(chunk).map(<[T]>::to_vec);
        let without = (0..items.len()).step_by(chunk).map(|start| {
            let end = (start + chunk).min(items.len());
            [&items[..start], &items[end..]].concat()
        });
        let candidates: Vec<(Vec<T>, usize)> = if parts == 2 {
            alone.map(|part| (part, 2)).collect()
        } else {
            // A part alone is tried only while parts are large: later it hardly ever helps.
            let alone = alone.filter(|_| parts <= 4).map(|part| (part, 2));
            alone.chain(without.map(|rest| (rest, parts - 1))).collect()
        };
        for (candidate, next) in candidates {
            if fails(&candidate) {
                reduced = Some((candidate, next));
                break;
            }
        }
        match reduced {
            Some((candidate, next)) => {
                items = candidate;
                parts = next.max(2);
            }
            None if parts >= items.len() => break,
            None => parts = (parts * 2).min(items.len()),
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs it with a predicate, and says how often that was asked.
    fn minimal(len: u32, needed: &[u32]) -> (Vec<u32>, usize) {
        let mut asked = 0;
        let items = ddmin((0..len).collect(), &mut |part| {
            asked += 1;
            needed.iter().all(|item| part.contains(item))
        });
        (items, asked)
    }

    #[test]
    fn what_is_needed_is_left_and_nothing_else() {
        for needed in [&[][..], &[0], &[99], &[3, 4], &[0, 50, 99], &[10, 20, 30, 40, 50]] {
            let (items, asked) = minimal(100, needed);
            assert_eq!(items, needed);
            assert!(asked < 140, "{needed:?}: asked {asked} times");
        }
        assert_eq!(minimal(1, &[0]).0, [0]);
        assert!(minimal(0, &[]).0.is_empty());
    }

    #[test]
    fn no_single_item_can_be_left_out_of_what_is_returned() {
        // Fails with an even number of items of which one is above ten: not monotonic.
        let fails = |part: &[u32]| part.len().is_multiple_of(2) && part.iter().any(|item| *item > 10);
        let items = ddmin((0..40).collect(), &mut |part| fails(part));
        assert!(fails(&items));
        for i in 0..items.len() {
            let mut part = items.clone();
            part.remove(i);
            assert!(!fails(&part), "{items:?} without {}", items[i]);
        }
    }

    #[test]
    fn when_nothing_may_be_tried_any_more_everything_is_left() {
        assert_eq!(ddmin(vec![1, 2, 3, 4, 5], &mut |_| false), [1, 2, 3, 4, 5]);
    }
}
