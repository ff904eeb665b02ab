//! What a part of the machine tells about itself: nested named fields.
//!
//! Panels and tables show any [`Inspection`] without code for the part it came from, so a new
//! device is on the screen as soon as it exists. Nothing here decides how it looks.

use std::fmt::{Display, LowerHex};

/// Named fields, in the order in which a reader should see them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    fields: Vec<Field>,
}

/// One named field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name that the datasheet uses, in lower case.
    pub name: String,
    /// What it holds.
    pub value: Value,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text to show as it is.
    Text(String),
    /// A part with fields of its own.
    Group(Inspection),
}

impl Inspection {
    /// No fields yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field that shows as it prints.
    #[must_use]
    pub fn field(self, name: impl Into<String>, value: impl Display) -> Self {
        self.with(name, Value::Text(value.to_string()))
    }

    /// Adds a field that shows in hexadecimal, with at least two digits.
    #[must_use]
    pub fn hex(self, name: impl Into<String>, value: impl LowerHex) -> Self {
        self.with(name, Value::Text(format!("{value:#04x}")))
    }

    /// Adds a field of eight bits that shows bit by bit: a mask, one bit per line.
    #[must_use]
    pub fn bits(self, name: impl Into<String>, value: u8) -> Self {
        self.with(name, Value::Text(format!("{value:08b}")))
    }

    /// Adds a part with fields of its own.
    #[must_use]
    pub fn group(self, name: impl Into<String>, fields: Inspection) -> Self {
        self.with(name, Value::Group(fields))
    }

    /// The fields in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The text of the field at `path`, names joined with `/`: `"counter 0/mode"`.
    pub fn text(&self, path: &str) -> Option<&str> {
        let (name, rest) = match path.split_once('/') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        let field = self.fields.iter().find(|field| field.name == name)?;
        match (&field.value, rest) {
            (Value::Text(text), None) => Some(text),
            (Value::Group(group), Some(rest)) => group.text(rest),
            _ => None,
        }
    }

    fn with(mut self, name: impl Into<String>, value: Value) -> Self {
        self.fields.push(Field { name: name.into(), value });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_through_groups_to_a_text() {
        let counter = Inspection::new().field("mode", 2).hex("count", 0x1234);
        let timer = Inspection::new().group("counter 0", counter).bits("mask", 0b101);
        assert_eq!(timer.text("counter 0/mode"), Some("2"));
        assert_eq!(timer.text("counter 0/count"), Some("0x1234"));
        assert_eq!(timer.text("mask"), Some("00000101"));
        assert_eq!(timer.text("counter 0"), None, "a group is no text");
        assert_eq!(timer.text("mask/mode"), None, "a text has no fields");
    }
}
