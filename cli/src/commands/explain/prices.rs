//! What things cost in each preset, as tables.

use paravane_core::accounting::costs::{CostsError, PRESETS};
use paravane_core::accounting::{Cause, Costs, Primitive, charges};
use paravane_core::report::numbers::grouped;
use paravane_core::report::{Alignment, Table};
use paravane_cpu::timing::Operation;

use crate::wrap::wrapped;

/// All built-in presets.
fn presets() -> Result<Vec<Costs>, CostsError> {
    PRESETS.iter().map(|(name, _)| Costs::preset(name)).collect()
}

/// A row with a number for each preset.
fn row(name: &str, presets: &[Costs], cycles: impl Fn(&Costs) -> u64) -> Vec<String> {
    let cells = presets.iter().map(|costs| grouped(cycles(costs)));
    std::iter::once(name.to_owned()).chain(cells).collect()
}

/// What takes the place of an exit on bare metal.
#[derive(Clone, Copy)]
pub enum BareMetal {
    /// An instruction, which may take the processor long.
    Instruction(Option<Operation>),
    /// Something that the processor does by itself.
    Operation(Operation),
    /// Nothing: there is no such thing.
    Nothing,
}

/// What one exit of a cause costs at least, part by part, and what bare metal takes.
pub fn of_cause(cause: Cause, bare: BareMetal) -> Result<String, CostsError> {
    let presets = presets()?;
    let columns = presets.iter().map(|costs| (costs.name.as_str(), Alignment::Right));
    let mut table = Table::new(
        "Cycles, in each cost preset",
        std::iter::once(("", Alignment::Left)).chain(columns),
    );
    let instruction = match bare {
        BareMetal::Instruction(_) => 1,
        BareMetal::Operation(_) | BareMetal::Nothing => 0,
    };
    match bare {
        BareMetal::Instruction(operation) => {
            table.rows.push(row("on bare metal", &presets, |costs| {
                1 + operation.map_or(0, |operation| costs.timing().price(operation))
            }))
        }
        BareMetal::Operation(operation) => {
            table
                .rows
                .push(row("on bare metal", &presets, |costs| costs.timing().price(operation)));
        }
        BareMetal::Nothing => {}
    }
    let in_world = match cause {
        Cause::Hypercall { .. } | Cause::BouncedSystemCall | Cause::EventUpcall => {
            "in the world pv, at least"
        }
        _ => "in the world trap, at least",
    };
    let parts = charges::least(cause);
    table.rows.push(row(in_world, &presets, |costs| {
        instruction + parts.iter().map(|part| costs.price(*part)).sum::<u64>()
    }));
    for part in parts {
        table.rows.push(row(&format!("  {}", part.key()), &presets, |costs| costs.price(*part)));
    }
    Ok(table.to_text())
}

/// The price of a key in each preset, with where the number is from.
pub fn of_key(key: &str) -> Result<String, CostsError> {
    let mut text = "Cycles, in each cost preset\n".to_owned();
    for costs in presets()? {
        if let Some(value) = costs.value(key) {
            let first = format!("  {:<13} {:>7}  ", costs.name, grouped(value.cycles));
            text += &wrapped(&first, &format!("{}: {}", value.confidence.name(), value.source));
        }
    }
    Ok(text)
}

/// All values of a preset.
pub fn of_preset(name: &str) -> Result<String, CostsError> {
    let costs = Costs::preset(name)?;
    let columns = [
        ("what", Alignment::Left),
        ("cycles", Alignment::Right),
        ("confidence", Alignment::Left),
        ("source", Alignment::Left),
    ];
    let mut table = Table::new(&format!("{}.", costs.title), columns);
    let keys = Primitive::ALL.iter().map(|primitive| primitive.key());
    for key in keys.chain(Operation::ALL.iter().map(|operation| operation.key())) {
        if let Some(value) = costs.value(key) {
            table.rows.push(vec![
                key.into(),
                grouped(value.cycles),
                value.confidence.name().into(),
                value.source.clone(),
            ]);
        }
    }
    Ok(table.to_text())
}
