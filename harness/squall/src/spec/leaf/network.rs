//! Latencies and intervals: a duration, or a distribution with a name.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeMap,
};

use super::{BadLeaf, Number, TextLeaf};
use crate::spec::model::{Dur, DurationRange, Every, Latency};

/// Delegates text and numbers to [`DurationRange`], and mappings to the derived `$long` form.
macro_rules! duration_or {
    ($type:ident, $what:literal, $short:expr, $long:ty, $finish:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Either;
                impl<'de> Visitor<'de> for Either {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        DurationRange::read(text).map($short).map_err(E::custom)
                    }
                    fn visit_i64<E: de::Error>(self, n: i64) -> Result<$type, E> {
                        DurationRange::read_number(Number::Whole(n.into())).map($short).map_err(E::custom)
                    }
                    fn visit_u64<E: de::Error>(self, n: u64) -> Result<$type, E> {
                        DurationRange::read_number(Number::Whole(n.into())).map($short).map_err(E::custom)
                    }
                    fn visit_f64<E: de::Error>(self, x: f64) -> Result<$type, E> {
                        DurationRange::read_number(Number::Float(x)).map($short).map_err(E::custom)
                    }
                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$type, A::Error> {
                        let long = <$long>::deserialize(MapAccessDeserializer::new(map))?;
                        $finish(long).map_err(de::Error::custom)
                    }
                }
                deserializer.deserialize_any(Either)
            }
        }
    };
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongLatency {
    /// At least `min`, and exponential above it, so that the whole has this mean.
    exp: Exponential,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Exponential {
    /// The least.
    min: Dur,
    /// The mean of the whole.
    mean: Dur,
}

duration_or!(
    Latency,
    "a latency, as `5ms`, `1ms..5ms` or `{ exp: { min: 1ms, mean: 8ms } }`",
    Latency::Uniform,
    LongLatency,
    |LongLatency { exp: Exponential { min, mean } }: LongLatency| {
        if mean < min {
            return Err(BadLeaf::new(
                format!("the mean {mean} is below the least latency {min}"),
                "`mean` is the mean of the whole, `min` included: make it larger",
            ));
        }
        Ok(Latency::Exponential { min: min.0, mean: mean.0 })
    }
);

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Latency::Uniform(range) => range.serialize(serializer),
            Latency::Exponential { min, mean } => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("exp", &Exponential { min: Dur(min), mean: Dur(mean) })?;
                map.end()
            }
        }
    }
}

impl JsonSchema for Latency {
    fn schema_name() -> Cow<'static, str> {
        "Latency".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The time a packet takes one way, drawn for each packet.",
            "anyOf": [generator.subschema_for::<DurationRange>(), LongLatency::json_schema(generator)],
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongEvery {
    /// Independent strikes with this mean interval.
    poisson: Dur,
}

duration_or!(
    Every,
    "an interval, as `3s`, `2s..4s` or `{ poisson: 5s }`",
    Every::Interval,
    LongEvery,
    |LongEvery { poisson }: LongEvery| {
        if poisson.0 == Duration::ZERO {
            return Err(BadLeaf::new(
                "a mean interval of zero",
                "write the mean time between strikes, as `{ poisson: 5s }`",
            ));
        }
        Ok(Every::Poisson(poisson.0))
    }
);

impl Serialize for Every {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Every::Interval(range) => range.serialize(serializer),
            Every::Poisson(mean) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("poisson", &Dur(mean))?;
                map.end()
            }
        }
    }
}

impl JsonSchema for Every {
    fn schema_name() -> Cow<'static, str> {
        "Every".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How often a fault strikes: a fixed interval, a range drawn anew each time, or at random moments \
                with a mean interval.",
            "anyOf": [generator.subschema_for::<DurationRange>(), LongEvery::json_schema(generator)],
        })
    }
}
