//! Entries that are a word or a number in their short form, and a mapping in their long one.

use std::{borrow::Cow, fmt};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeMap,
};

use super::BadLeaf;
use crate::language::model::{Heal, MaxDown, Spanned, Target};

const HEAL_HELP: &str = "write `all`, `{ core: random_quorum }`, or `{ core: [orders[0], clients] }`";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongHeal {
    core: Core,
}

enum Core {
    RandomQuorum,
    Nodes(Vec<Spanned<Target>>),
}

impl<'de> Deserialize<'de> for Core {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Core;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`random_quorum`, or a list of targets")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Core, E> {
                if text.trim() == "random_quorum" {
                    return Ok(Core::RandomQuorum);
                }
                let help = format!("write `random_quorum`, or a list of targets, as `[{text}]`");
                Err(E::custom(BadLeaf::new(format!("there is no core `{text}`"), help)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Core, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = seq.next_element()? {
                    nodes.push(node);
                }
                Ok(Core::Nodes(nodes))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Heal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Heal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("what heals, as `all` or `{ core: random_quorum }`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Heal, E> {
                if text.trim() == "all" {
                    return Ok(Heal::All);
                }
                Err(E::custom(BadLeaf::new(format!("`{text}` does not say what heals"), HEAL_HELP)))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Heal, A::Error> {
                let long = LongHeal::deserialize(MapAccessDeserializer::new(map))?;
                Ok(match long.core {
                    Core::RandomQuorum => Heal::RandomQuorum,
                    Core::Nodes(nodes) => Heal::Core(nodes),
                })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Serialize for Heal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self {
            Heal::All => return serializer.serialize_str("all"),
            _ => serializer.serialize_map(Some(1))?,
        };
        match self {
            Heal::Core(nodes) => map.serialize_entry("core", nodes)?,
            _ => map.serialize_entry("core", "random_quorum")?,
        }
        map.end()
    }
}

impl JsonSchema for Heal {
    fn schema_name() -> Cow<'static, str> {
        "Heal".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What heals when settle begins: `all`; or only a core, a drawn majority of each group with all clients \
                (`random_quorum`) or these nodes, while the rest stays broken.",
            "anyOf": [
                { "const": "all" },
                {
                    "type": "object",
                    "properties": {
                        "core": { "anyOf": [
                            { "const": "random_quorum" },
                            { "type": "array", "minItems": 1, "items": generator.subschema_for::<Target>() },
                        ] },
                    },
                    "required": ["core"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for MaxDown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = MaxDown;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of nodes, as `1` or `{ orders: 1 }`")
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<MaxDown, E> {
                u32::try_from(n).map(MaxDown::Each).map_err(|_| {
                    E::custom(BadLeaf::new(
                        format!("{n} is more than there are"),
                        "write a number of nodes, as `1`",
                    ))
                })
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<MaxDown, E> {
                let help = "write how many may be down, as `1`; with 0, nothing may";
                Err(E::custom(BadLeaf::new(format!("{n} nodes is not a number of nodes"), help)))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MaxDown, A::Error> {
                IndexMap::deserialize(MapAccessDeserializer::new(map)).map(MaxDown::Groups)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Serialize for MaxDown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MaxDown::Each(most) => most.serialize(serializer),
            MaxDown::Groups(groups) => groups.serialize(serializer),
        }
    }
}

impl JsonSchema for MaxDown {
    fn schema_name() -> Cow<'static, str> {
        "MaxDown".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "So many nodes of each group but the clients, or of the groups named.",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } },
            ],
        })
    }
}
