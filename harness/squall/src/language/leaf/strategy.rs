//! Strategies of exploration: `swarm`, or `[random, swarm]`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::BadLeaf;
use crate::language::{
    diagnostic::name_help,
    model::{Spanned, Strategies, Strategy},
};

impl Strategy {
    /// All of them, in the order of the documentation.
    pub const ALL: [Strategy; 5] =
        [Strategy::Random, Strategy::Swarm, Strategy::Sweep, Strategy::Pct, Strategy::Guided];

    /// Its name, as in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Random => "random",
            Strategy::Swarm => "swarm",
            Strategy::Sweep => "sweep",
            Strategy::Pct => "pct",
            Strategy::Guided => "guided",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Strategy {
    type Err = BadLeaf;

    fn from_str(text: &str) -> Result<Self, BadLeaf> {
        let known = Strategy::ALL.into_iter().find(|strategy| strategy.name() == text.trim());
        known.ok_or_else(|| {
            let help = name_help(text, "there are", &Strategy::ALL.map(Strategy::name));
            BadLeaf::new(format!("there is no strategy `{text}`"), help)
        })
    }
}

impl Default for Strategies {
    fn default() -> Self {
        Strategies(vec![Strategy::default().into()])
    }
}

impl Strategies {
    /// The strategies, in the order of their turns.
    pub fn list(&self) -> Vec<Strategy> {
        self.0.iter().map(|strategy| strategy.value).collect()
    }
}

impl<'de> Deserialize<'de> for Strategies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Strategies;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a strategy, or a list of strategies")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Strategies, E> {
                let strategy: Strategy = text.parse().map_err(E::custom)?;
                Ok(Strategies(vec![strategy.into()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strategies, A::Error> {
                let mut strategies = Vec::new();
                while let Some(strategy) = seq.next_element::<Spanned<Strategy>>()? {
                    strategies.push(strategy);
                }
                Ok(Strategies(strategies))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Serialize for Strategies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => only.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl JsonSchema for Strategies {
    fn schema_name() -> Cow<'static, str> {
        "Strategies".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A strategy, or several that take turns.",
            "anyOf": [generator.subschema_for::<Strategy>(), generator.subschema_for::<Vec<Strategy>>()],
        })
    }
}
