//! What machine a guest gets, and at what prices: the options that `run` and `compare` share.

use clap::{Args, ValueEnum, ValueHint};
use paravane_core::accounting::Costs;
use paravane_core::guest_image::LoadOptions;
use paravane_core::hypervisor::ShadowPolicy;
use paravane_core::machine::{DEFAULT_MEMORY, MAX_MEMORY, MIN_MEMORY};

use crate::choice::Choice;
use crate::module_file::ModuleFile;
use crate::numbers::{Size, parse_count, parse_size};
use crate::preset;

/// The options.
#[derive(Clone, Debug, Args)]
pub struct SetupOptions {
    /// The machine's memory, such as 64M [default: what the sample guest's manifest says, or 128M]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub memory: Option<u64>,

    /// The guest's command line [default: what the sample guest's manifest says, or nothing]
    #[arg(long, value_name = "CMDLINE", allow_hyphen_values = true)]
    pub append: Option<String>,

    /// A file that the loader passes to the guest, such as an initial RAM disk; can be repeated
    #[arg(long = "module", value_name = "FILE[=NAME]", value_hint = ValueHint::FilePath)]
    pub modules: Vec<String>,

    /// End the run after this many instructions, such as 1000000 or 25M
    #[arg(long, value_name = "INSTRUCTIONS", value_parser = parse_count)]
    pub limit: Option<u64>,

    /// What things cost: a cost preset's name ("paravane explain" lists them), or a TOML file of
    /// your own [default: teaching; in the world bare, "run" charges nothing]
    #[arg(long, value_name = "PRESET|FILE", value_hint = ValueHint::FilePath)]
    pub preset: Option<String>,

    /// What trap-and-emulate does with shadow page tables when the guest changes address spaces
    #[arg(long, value_enum, default_value_t = Shadow::Cached)]
    pub shadow: Shadow,
}

/// What becomes of shadow page tables when the guest loads CR3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shadow {
    /// Keep them: switching back finds them
    Cached,
    /// Throw them away, and see what that costs
    Naive,
}

impl SetupOptions {
    /// The machine's memory in bytes.
    pub fn memory_size(&self, choice: &Choice) -> u64 {
        let usual = choice.manifest.as_ref().map(|manifest| manifest.memory_mib << 20);
        self.memory.or(usual).unwrap_or(DEFAULT_MEMORY)
    }

    /// The guest's command line.
    pub fn command_line(&self, choice: &Choice) -> String {
        let usual = choice.manifest.as_ref().map(|manifest| manifest.append.clone());
        self.append.clone().or(usual).unwrap_or_default()
    }

    /// What the loader needs to know. Reads the modules.
    pub fn load_options(&self, choice: &Choice) -> anyhow::Result<LoadOptions> {
        let modules = self.modules.iter().map(|text| ModuleFile::parse(text).read());
        Ok(LoadOptions {
            command_line: self.command_line(choice),
            modules: modules.collect::<anyhow::Result<_>>()?,
            start: None,
        })
    }

    /// The prices, if the user named any.
    pub fn costs(&self) -> anyhow::Result<Option<Costs>> {
        self.preset.as_deref().map(preset::of).transpose()
    }
}

impl From<Shadow> for ShadowPolicy {
    fn from(shadow: Shadow) -> Self {
        match shadow {
            Shadow::Cached => Self::Cached,
            Shadow::Naive => Self::Naive,
        }
    }
}

fn parse_memory(text: &str) -> Result<u64, String> {
    let size = parse_size(text)?;
    if (MIN_MEMORY..=MAX_MEMORY).contains(&size) {
        return Ok(size);
    }
    Err(format!("a machine has {} to {}", Size(MIN_MEMORY), Size(MAX_MEMORY)))
}
