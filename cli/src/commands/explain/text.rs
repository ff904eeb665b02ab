//! What there is to say about each topic.

use paravane_core::accounting::costs::CostsError;
use paravane_core::accounting::explanations::{self, Explanation};
use paravane_core::accounting::sensitivity::{self, Answer, Class, SensitiveInstruction};
use paravane_core::accounting::{Cause, charges};
use paravane_core::hypervisor::paravirt::CallDescription;
use paravane_core::worlds::World;
use paravane_cpu::Sensitive;
use paravane_cpu::timing::Operation;

use super::prices::{self, BareMetal};
use super::topic::Topic;
use crate::wrap::wrapped;

/// The explanation of a topic.
pub fn of(topic: &Topic) -> Result<String, CostsError> {
    match topic {
        Topic::Instruction(instruction) => of_instruction(*instruction),
        Topic::Cause(cause) => of_cause(*cause),
        Topic::Hypercall(call) => of_hypercall(call),
        Topic::Primitive(primitive) => {
            let title = "a piece of the hypervisor's work, charged to the cause of an exit";
            let parts = [
                wrapped("", explanations::primitive(*primitive)),
                prices::of_key(primitive.key())?,
            ];
            Ok(page(primitive.key(), title, &parts))
        }
        Topic::Operation(operation) => {
            let title = "a piece of the processor's own work, in every world";
            let parts = [
                wrapped("", explanations::operation(*operation)),
                prices::of_key(operation.key())?,
            ];
            Ok(page(operation.key(), title, &parts))
        }
        Topic::World(world) => {
            Ok(page(world.name(), world.title(), &[wrapped("", world.summary())]))
        }
        Topic::Preset(name) => Ok(page(name, "a cost preset", &[prices::of_preset(name)?])),
    }
}

fn page(name: &str, title: &str, parts: &[String]) -> String {
    format!("{}\n{}", wrapped(&format!("{name}: "), title), parts.join("\n"))
}

fn of_instruction(instruction: Sensitive) -> Result<String, CostsError> {
    let row = sensitivity::of(instruction);
    let cause = Cause::Instruction(instruction);
    let explanation = explanations::cause(cause);
    let kinds: Vec<_> = row.kinds.iter().map(|kind| kind.name()).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!("; {}", kinds.join(", ")) };
    let title = format!("an instruction, {}{kinds}", row.class.name());
    let bare = BareMetal::Instruction(charges::on_bare_metal(instruction));
    let parts = [
        wrapped("", row.text),
        outside_ring_0(row),
        in_worlds(row),
        reasons(explanation),
        prices::of_cause(cause, bare)?,
        read_on(explanation),
    ];
    Ok(page(instruction.name(), &title, &parts))
}

/// What the CPU does with the instruction where a guest's kernel runs.
fn outside_ring_0(row: &SensitiveInstruction) -> String {
    let mut text = match row.faults_outside_ring_0 {
        Answer::Faults(vector) => format!("Outside ring 0 it raises {}", vector.mnemonic()),
        Answer::Runs => "Outside ring 0 it runs".to_owned(),
    };
    if let Some(condition) = row.condition {
        text += &format!(" ({condition})");
    }
    text.push('.');
    if let Some(mnemonic) = row.robin_irvine {
        text += &format!(" Robin and Irvine list it as {mnemonic}.");
    }
    wrapped("", &text)
}

fn in_worlds(row: &SensitiveInstruction) -> String {
    let in_world = |world| match world {
        World::Bare => "runs on the CPU in ring 0",
        World::Trap => row.trap.describe(),
        World::TrapX86 => row.trap_x86.describe(),
        World::Pv => row.pv.describe(),
    };
    let line = |world: World| wrapped(&format!("  {:<9} ", world.name()), in_world(world));
    World::ALL
        .into_iter()
        .map(line)
        .fold("In each world, for the kernel\n".into(), |all, one| all + &one)
}

fn of_cause(cause: Cause) -> Result<String, CostsError> {
    let explanation = explanations::cause(cause);
    let (title, bare) = match cause {
        Cause::Exception(_) => (
            "an exception of the guest, a cause of exits",
            BareMetal::Operation(Operation::Exception),
        ),
        Cause::SoftwareInterrupt => {
            ("a cause of exits", BareMetal::Operation(Operation::SoftwareInterrupt))
        }
        Cause::ExternalInterrupt => {
            ("a cause of exits", BareMetal::Operation(Operation::Interrupt))
        }
        Cause::BouncedSystemCall => {
            ("a cause of exits", BareMetal::Instruction(Some(Operation::FastCall)))
        }
        Cause::PageTableWrite | Cause::TracedWrite => {
            ("a cause of exits", BareMetal::Instruction(None))
        }
        _ => ("a cause of exits", BareMetal::Nothing),
    };
    let parts = [
        wrapped("", explanation.what),
        wrapped("In the worlds: ", worlds_with(cause)),
        reasons(explanation),
        prices::of_cause(cause, bare)?,
        read_on(explanation),
    ];
    Ok(page(&cause.name(), title, &parts))
}

/// The worlds in which a cause occurs.
const fn worlds_with(cause: Cause) -> &'static str {
    match cause {
        Cause::Exception(_) | Cause::SoftwareInterrupt | Cause::ExternalInterrupt => {
            "trap, trap-x86 and pv; in bare the processor delivers it by itself"
        }
        Cause::Instruction(instruction) => match sensitivity::of(instruction).class {
            Class::Silent => "trap",
            Class::Privileged | Class::Doorway | Class::Innocuous => "trap and trap-x86",
        },
        Cause::HiddenPageFault | Cause::PageTableWrite => {
            "trap and trap-x86; in pv the guest's own tables are the real ones, and it asks for \
             changes by hypercall, so that these are rare"
        }
        Cause::TracedWrite | Cause::DeviceMemory | Cause::UnsupportedMode => "trap and trap-x86",
        Cause::Hypercall { .. } | Cause::BouncedSystemCall | Cause::EventUpcall => "pv",
    }
}

fn of_hypercall(call: &CallDescription) -> Result<String, CostsError> {
    let cause = Cause::Hypercall { personality: "xen", number: call.number, name: call.name };
    let explanation = explanations::cause(cause);
    let title = format!("hypercall {} of Xen", call.number);
    let parts = [
        wrapped("", call.meaning),
        wrapped("", &format!("{}({})", call.name, call.arguments.join(", "))),
        wrapped("In the world: ", "pv; in the others there is nobody to call"),
        reasons(explanation),
        prices::of_cause(cause, BareMetal::Nothing)?,
        read_on(explanation),
    ];
    Ok(page(call.name, &title, &parts))
}

fn reasons(explanation: Explanation) -> String {
    wrapped("Why it leaves: ", explanation.why)
        + &wrapped("What avoids it: ", explanation.avoided_by)
}

fn read_on(explanation: Explanation) -> String {
    wrapped("Read on: ", explanation.read_on)
}
