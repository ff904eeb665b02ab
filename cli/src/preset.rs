//! `--preset PRESET|FILE.toml`: what the processor's and the hypervisor's work costs.

use std::path::Path;

use anyhow::Context;
use paravane_core::accounting::Costs;
use paravane_core::accounting::costs::CostsError;

use crate::choice::read_file;
use crate::output::UsageError;

/// The prices that an argument means: those of a file if it has a `/` or `.` in it, or else of a
/// built-in preset.
pub fn of(argument: &str) -> anyhow::Result<Costs> {
    if !argument.contains(['/', '\\', '.']) {
        return Costs::preset(argument).map_err(|error| match error {
            CostsError::UnknownPreset { .. } => UsageError(error.to_string()).into(),
            error => error.into(),
        });
    }
    let text = String::from_utf8(read_file(argument)?)
        .with_context(|| format!("{argument} is no cost preset: it is not UTF-8 text"))?;
    let name = Path::new(argument).file_stem().and_then(|name| name.to_str());
    Costs::parse(name.unwrap_or(argument), &text).with_context(|| format!("can't use {argument}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_dot_is_a_built_in_preset() {
        assert_eq!(of("teaching").unwrap().name, "teaching");
        assert!(of("free").unwrap_err().is::<UsageError>());
        assert!(!of("./no-such.toml").unwrap_err().is::<UsageError>());
    }
}
