//! Cost presets: what each primitive and each operation of the processor costs, in cycles.
//!
//! A preset is a TOML file under `costs/`, data that the user can edit: see there for the format.

use std::collections::BTreeMap;

use paravane_cpu::timing::{Operation, Timing};
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

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

/// The highest price. With it, time can't overflow in any run that ends within a human life.
pub const MAXIMUM_CYCLES: u64 = 1_000_000;

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
    /// Not TOML.
    #[error("cost preset {name}: {message}")]
    Malformed {
        /// The preset's name.
        name: String,
        /// What the parser says, with the line.
        message: String,
    },
    /// A key's section is not of the preset's shape.
    #[error("cost preset {name}: `{key}` in line {line}: {message}")]
    MalformedValue {
        /// The preset's name.
        name: String,
        /// The key.
        key: String,
        /// Where the section begins.
        line: usize,
        /// What is wrong with it.
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
    /// The title is missing.
    #[error("cost preset {name}: `{TITLE}` is missing: say in one line what the preset stands for")]
    NoTitle {
        /// The preset's name.
        name: String,
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
    /// A price is higher than [`MAXIMUM_CYCLES`].
    #[error("cost preset {name}: `{key}` costs {cycles} cycles: at most {MAXIMUM_CYCLES} can be")]
    TooHigh {
        /// The preset's name.
        name: String,
        /// The key.
        key: String,
        /// The price.
        cycles: u64,
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

/// The built-in presets: name and text.
pub const PRESETS: &[(&str, &str)] = &[
    ("teaching", include_str!("../../../costs/teaching.toml")),
    ("p4-2005", include_str!("../../../costs/p4-2005.toml")),
    ("p4-vtx-2005", include_str!("../../../costs/p4-vtx-2005.toml")),
    ("nehalem-2009", include_str!("../../../costs/nehalem-2009.toml")),
    ("modern-2020", include_str!("../../../costs/modern-2020.toml")),
];

/// The only key that is no section.
const TITLE: &str = "title";

/// The preset that is used if nobody names one.
pub const DEFAULT_PRESET: &str = "teaching";

/// An exit takes at least this many cycles, so that a guest that does nothing but exit can't hold
/// time still.
const LEAST_EXIT: u64 = 1;

/// All keys that a preset must have.
fn keys() -> impl Iterator<Item = &'static str> {
    Primitive::ALL.iter().map(|p| p.key()).chain(Operation::ALL.iter().map(|o| o.key()))
}

/// Reads the title and the values, whatever their keys.
fn read(name: &str, text: &str) -> Result<(String, BTreeMap<String, Value>), CostsError> {
    let sections: BTreeMap<String, Spanned<toml::Value>> =
        toml::from_str(text).map_err(|error| CostsError::Malformed {
            name: name.into(),
            message: error.to_string().trim_end().into(),
        })?;
    let (mut title, mut values) = (None, BTreeMap::new());
    for (key, section) in sections {
        let before = text.get(..section.span().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let malformed = |error: toml::de::Error| CostsError::MalformedValue {
            name: name.into(),
            key: key.clone(),
            line,
            message: error.to_string().trim_end().replace('\n', " "),
        };
        let section = section.into_inner();
        if key == TITLE {
            title = Some(section.try_into().map_err(malformed)?);
        } else {
            values.insert(key.clone(), section.try_into().map_err(malformed)?);
        }
    }
    let title = title.ok_or_else(|| CostsError::NoTitle { name: name.into() })?;
    Ok((title, values))
}

impl Confidence {
    /// Its name in presets and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Derived => "derived",
            Self::Estimated => "estimated",
            Self::Chosen => "chosen",
        }
    }
}

impl Costs {
    /// Everything but plain instructions is free: how a machine runs that nobody charges.
    pub fn free() -> Self {
        let mut primitives = [0; Primitive::COUNT];
        primitives[Primitive::Exit as usize] = LEAST_EXIT;
        Self {
            name: "free".into(),
            title: "Every instruction takes one cycle, and nothing else costs anything".into(),
            primitives,
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
        let (title, values) = read(name, text)?;
        if let Some(key) = values.keys().find(|key| !keys().any(|known| known == *key)) {
            return Err(CostsError::UnknownKey {
                name: name.into(),
                key: key.clone(),
                known: keys().collect::<Vec<_>>().join(", "),
            });
        }
        if let Some((key, value)) = values.iter().find(|(_, v)| v.cycles > MAXIMUM_CYCLES) {
            return Err(CostsError::TooHigh {
                name: name.into(),
                key: key.clone(),
                cycles: value.cycles,
            });
        }
        let price = |key: &'static str| match values.get(key) {
            Some(value) => Ok(value.cycles),
            None => Err(CostsError::Missing { name: name.into(), key }),
        };
        let mut primitives = [0; Primitive::COUNT];
        for primitive in Primitive::ALL {
            primitives[*primitive as usize] = price(primitive.key())?;
        }
        let exit = &mut primitives[Primitive::Exit as usize];
        *exit = (*exit).max(LEAST_EXIT);
        let mut operations = [0; Operation::COUNT];
        for operation in Operation::ALL {
            operations[*operation as usize] = price(operation.key())?;
        }
        Ok(Self {
            name: name.into(),
            title,
            primitives,
            timing: Timing::new(operations),
            values: values.into_iter().collect(),
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

    /// The value of a key, with its source.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }
}
