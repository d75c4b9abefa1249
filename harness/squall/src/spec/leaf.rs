//! How the leaves of a spec are written: durations, ranges, rates, targets, links. (Placeholder; to be implemented.)

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::model::*;

macro_rules! pending {
    ($($t:ty),*) => {$(
        impl Serialize for $t {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> { unreachable!() }
        }
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> { unreachable!() }
        }
    )*};
}
pending!(
    DurationRange,
    CountRange,
    Dur,
    Probability,
    Rate,
    Bandwidth,
    Target,
    Link,
    Latency,
    Every,
    Check,
    EventPattern,
    EventuallyThat,
    Expect
);
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Spanned { value: T::deserialize(d)?, span: Span::default() })
    }
}
impl<T: std::hash::Hash> std::hash::Hash for Spanned<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}
impl<T: Eq> Eq for Spanned<T> {}
impl Default for Phases {
    fn default() -> Self {
        let spanned = |s| Spanned { value: Dur(std::time::Duration::from_secs(s)), span: Span::default() };
        Phases { warmup: spanned(1).value, chaos: spanned(20), settle: spanned(10) }
    }
}
impl Default for Explore {
    fn default() -> Self {
        Explore { seeds: Spanned { value: 200, span: Span::default() } }
    }
}
