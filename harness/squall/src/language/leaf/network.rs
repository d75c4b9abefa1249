//! Latencies and intervals: a duration, or a distribution with a name.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeMap,
};

use super::{BadLeaf, Number, TextLeaf};
use crate::language::model::{Dur, DurationRange, Every, Latency, Losses, Probability};

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

/// The long forms of a latency: exactly one of them.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongLatency {
    /// The bell curve, cut off at zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    normal: Option<Normal>,
    /// At least `min`, and exponential above it, so that the whole has this mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<Exponential>,
    /// At least `min`, with a heavy tail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pareto: Option<Pareto>,
    /// Most packets fast, some slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    bimodal: Option<Bimodal>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Normal {
    /// The mean.
    mean: Dur,
    /// The standard deviation.
    deviation: Dur,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Exponential {
    /// The least.
    min: Dur,
    /// The mean of the whole.
    mean: Dur,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pareto {
    /// The least.
    min: Dur,
    /// More than 1; the smaller, the heavier the tail.
    shape: f64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bimodal {
    /// Most packets.
    fast: DurationRange,
    /// The others.
    slow: DurationRange,
    /// The share of the others.
    share: Probability,
}

fn latency(long: LongLatency) -> Result<Latency, BadLeaf> {
    match long {
        LongLatency { normal: Some(Normal { mean, deviation }), exp: None, pareto: None, bimodal: None } => {
            Ok(Latency::Normal { mean: mean.0, deviation: deviation.0 })
        }
        LongLatency { exp: Some(Exponential { min, mean }), normal: None, pareto: None, bimodal: None } => {
            if mean < min {
                return Err(BadLeaf::new(
                    format!("the mean {mean} is below the least latency {min}"),
                    "`mean` is the mean of the whole, `min` included: make it larger",
                ));
            }
            Ok(Latency::Exponential { min: min.0, mean: mean.0 })
        }
        LongLatency { pareto: Some(Pareto { min, shape }), normal: None, exp: None, bimodal: None } => {
            if !(shape > 1.0 && shape <= 100.0) {
                return Err(BadLeaf::new(
                    format!("a shape of {shape}"),
                    "write more than 1 (a mean exists only then) and at most 100; 1.5 is a heavy tail",
                ));
            }
            if min.0.is_zero() {
                let help = "everything is a multiple of `min`: write the least latency, as `1ms`";
                return Err(BadLeaf::new("a least latency of zero", help));
            }
            Ok(Latency::Pareto { min: min.0, shape })
        }
        LongLatency {
            bimodal: Some(Bimodal { fast, slow, share }),
            normal: None,
            exp: None,
            pareto: None,
        } => Ok(Latency::Bimodal { fast, slow, share }),
        _ => Err(BadLeaf::new(
            "not exactly one distribution",
            "write one of `normal`, `exp`, `pareto`, `bimodal`, as `{ exp: { min: 1ms, mean: 8ms } }`",
        )),
    }
}

duration_or!(
    Latency,
    "a latency, as `5ms`, `1ms..5ms` or `{ exp: { min: 1ms, mean: 8ms } }`",
    Latency::Uniform,
    LongLatency,
    latency
);

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let none = LongLatency::default();
        match *self {
            Latency::Uniform(range) => return range.serialize(serializer),
            Latency::Normal { mean, deviation } => {
                LongLatency { normal: Some(Normal { mean: Dur(mean), deviation: Dur(deviation) }), ..none }
            }
            Latency::Exponential { min, mean } => {
                LongLatency { exp: Some(Exponential { min: Dur(min), mean: Dur(mean) }), ..none }
            }
            Latency::Pareto { min, shape } => {
                LongLatency { pareto: Some(Pareto { min: Dur(min), shape }), ..none }
            }
            Latency::Bimodal { fast, slow, share } => {
                LongLatency { bimodal: Some(Bimodal { fast, slow, share }), ..none }
            }
        }
        .serialize(serializer)
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

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongLosses {
    /// Losses come one after another.
    burst: Burst,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Burst {
    /// The share of all packets that is lost, in the long run.
    rate: Probability,
    /// How many packets a burst loses, on average; at least 1.
    length: f64,
}

impl<'de> Deserialize<'de> for Losses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Losses;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share of packets, as `0.1%` or `{ burst: { rate: 0.1%, length: 8 } }`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Losses, E> {
                Probability::read(text).map(Losses::Independent).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Losses, E> {
                Probability::read_number(Number::Whole(n.into())).map(Losses::Independent).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Losses, E> {
                Probability::read_number(Number::Whole(n.into())).map(Losses::Independent).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, x: f64) -> Result<Losses, E> {
                Probability::read_number(Number::Float(x)).map(Losses::Independent).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Losses, A::Error> {
                let LongLosses { burst: Burst { rate, length } } =
                    LongLosses::deserialize(MapAccessDeserializer::new(map))?;
                if !(1.0..=1e6).contains(&length) {
                    let help = "write how many packets a burst loses on average, as `8`; at least 1";
                    return Err(de::Error::custom(BadLeaf::new(
                        format!("a burst of {length} packets"),
                        help,
                    )));
                }
                Ok(Losses::Burst { rate, length })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Serialize for Losses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Losses::Independent(rate) => rate.serialize(serializer),
            Losses::Burst { rate, length } => {
                LongLosses { burst: Burst { rate, length } }.serialize(serializer)
            }
        }
    }
}

impl JsonSchema for Losses {
    fn schema_name() -> Cow<'static, str> {
        "Losses".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The share of packets that is lost: each by itself (`0.1%`), or in bursts.",
            "anyOf": [generator.subschema_for::<Probability>(), LongLosses::json_schema(generator)],
        })
    }
}

impl Losses {
    /// The share of packets that is lost, in the long run.
    pub fn rate(&self) -> Probability {
        match *self {
            Losses::Independent(rate) | Losses::Burst { rate, .. } => rate,
        }
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Losses::Independent(rate) => rate.fmt(f),
            Losses::Burst { rate, length } => write!(f, "{rate} in bursts of {length}"),
        }
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
