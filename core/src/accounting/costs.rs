//! Cost presets: what each primitive and each operation of the processor costs, in cycles.
//!
//! A preset is a TOML file under `costs/`, data that the user can edit: see there for the format.

use paravane_cpu::timing::{Operation, Timing};
use serde::Deserialize;
use thiserror::Error;

use super::primitives::Primitive;

/// One value of a preset, with where it is from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// Cycles.
    pub cycles: u64,
    /// Where the number is from.
    pub source: String,
    /// How far to trust it.
    pub confidence: Confidence,
}

/// How far a value can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Measured, and published by the named source.
    Measured,
    /// Worked out from published measurements.
    Derived,
    /// An educated guess.
    Estimated,
    /// Chosen round, for teaching.
    Chosen,
}

/// A preset's prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Costs {
    /// The preset's name.
    pub name: String,
    /// What processor and time it stands for.
    pub title: String,
    primitives: [u64; Primitive::COUNT],
    timing: Timing,
    values: Vec<(String, Value)>,
}

/// Why a preset can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CostsError {
    /// Not TOML, or not of the preset's shape.
    #[error("cost preset {name}: {message}")]
    Malformed {
        /// The preset's name.
        name: String,
        /// What the parser says, with the line.
        message: String,
    },
    /// A key that no primitive or operation has.
    #[error("cost preset {name}: unknown key `{key}`: known are {known}")]
    UnknownKey {
        /// The preset's name.
        name: String,
        /// The key.
        key: String,
        /// The keys that there are.
        known: String,
    },
    /// A price is missing.
    #[error(
        "cost preset {name}: `{key}` has no price: add [{key}] with cycles, source and confidence"
    )]
    Missing {
        /// The preset's name.
        name: String,
        /// The key.
        key: &'static str,
    },
    /// No preset has this name.
    #[error("there is no cost preset `{name}`: choose one of {known}, or give a TOML file")]
    UnknownPreset {
        /// The name asked for.
        name: String,
        /// The presets that there are.
        known: String,
    },
}

#[derive(Deserialize)]
struct File {
    title: String,
    #[serde(flatten)]
    values: std::collections::BTreeMap<String, Value>,
}

/// The built-in presets: name and text.
pub const PRESETS: &[(&str, &str)] = &[
    ("teaching", include_str!("../../../costs/teaching.toml")),
    ("p4-2005", include_str!("../../../costs/p4-2005.toml")),
    ("nehalem-2009", include_str!("../../../costs/nehalem-2009.toml")),
    ("modern-2020", include_str!("../../../costs/modern-2020.toml")),
];

/// The preset that is used if nobody names one.
pub const DEFAULT_PRESET: &str = "teaching";

/// All keys that a preset must have.
fn keys() -> impl Iterator<Item = &'static str> {
    Primitive::ALL.iter().map(|p| p.key()).chain(Operation::ALL.iter().map(|o| o.key()))
}

impl Costs {
    /// Everything but plain instructions is free: how a machine runs that nobody charges.
    pub fn free() -> Self {
        Self {
            name: "free".into(),
            title: "Every instruction takes one cycle, and nothing else costs anything".into(),
            primitives: [0; Primitive::COUNT],
            timing: Timing::default(),
            values: Vec::new(),
        }
    }

    /// A built-in preset.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn preset(name: &str) -> Result<Self, CostsError> {
        match PRESETS.iter().find(|(preset, _)| *preset == name) {
            Some((name, text)) => Self::parse(name, text),
            None => Err(CostsError::UnknownPreset {
                name: name.into(),
                known: PRESETS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Parses a preset.
    ///
    /// # Errors
    /// It is no TOML, a key is unknown, or a price is missing.
    pub fn parse(name: &str, text: &str) -> Result<Self, CostsError> {
        let file: File = toml::from_str(text).map_err(|error| CostsError::Malformed {
            name: name.into(),
            message: error.to_string().trim_end().into(),
        })?;
        if let Some(key) = file.values.keys().find(|key| !keys().any(|known| known == *key)) {
            return Err(CostsError::UnknownKey {
                name: name.into(),
                key: key.clone(),
                known: keys().collect::<Vec<_>>().join(", "),
            });
        }
        let price = |key: &'static str| match file.values.get(key) {
            Some(value) => Ok(value.cycles),
            None => Err(CostsError::Missing { name: name.into(), key }),
        };
        let mut primitives = [0; Primitive::COUNT];
        for primitive in Primitive::ALL {
            primitives[*primitive as usize] = price(primitive.key())?;
        }
        let mut operations = [0; Operation::COUNT];
        for operation in Operation::ALL {
            operations[*operation as usize] = price(operation.key())?;
        }
        Ok(Self {
            name: name.into(),
            title: file.title,
            primitives,
            timing: Timing::new(operations),
            values: file.values.into_iter().collect(),
        })
    }

    /// The price of a primitive in cycles.
    pub fn price(&self, primitive: Primitive) -> u64 {
        self.primitives[primitive as usize]
    }

    /// The prices of the processor's own operations.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// All values by key, with their sources.
    pub fn values(&self) -> &[(String, Value)] {
        &self.values
    }
}
