//! Reports of hand-made ledgers: sums, sentences and forms.

#![allow(clippy::unwrap_used, clippy::panic, reason = "how a test fails")]

use paravane_core::accounting::{Cause, Costs, Ledger, Primitive, Share};
use paravane_core::report::{Comparison, LedgerReport, Run};
use paravane_cpu::timing::Operation;
use paravane_cpu::{Sensitive, Vector};

const CR: Cause = Cause::Instruction(Sensitive::WriteControl);
const PF: Cause = Cause::Exception(Vector::PageFault);
const MMU: Cause = Cause::Hypercall { personality: "xen", number: 1, name: "mmu_update" };

fn symbol(address: u64) -> Option<String> {
    (address == 0x1000).then(|| "switch_to, again".into())
}

/// `exits` exits of each cause, each charged an exit, a dispatch and an entry.
fn ledger(causes: &[(Cause, u64)], kernel: u64, user: u64, idle: u64) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.idle = idle;
    for (cause, exits) in causes {
        for number in 0..*exits {
            ledger.exit(*cause, 0x1000 + number / 3);
        }
        for primitive in [Primitive::Exit, Primitive::Dispatch, Primitive::Entry] {
            ledger.charge(*cause, primitive, *exits);
        }
    }
    ledger.guest_kernel.instructions = kernel;
    ledger.guest_kernel.add(Operation::Cpuid, 2);
    ledger.guest_user.instructions = user;
    ledger
}

fn teaching() -> Costs {
    Costs::preset("teaching").unwrap()
}

fn report() -> LedgerReport {
    let ledger = ledger(&[(CR, 10), (PF, 2), (MMU, 30)], 5000, 2000, 800);
    LedgerReport::new(&ledger, &teaching(), &symbol)
}

fn run(world: &str, title: &str, causes: &[(Cause, u64)], kernel: u64) -> Run {
    let costs = teaching();
    let ledger = ledger(causes, kernel, 0, 0);
    let cycles = ledger.cycles(&costs);
    let (world, title) = (world.into(), title.into());
    let (hertz, instructions, console_hash) = (1_000_000_000, kernel, 7);
    Run { world, title, costs, ledger, cycles, hertz, instructions, console_hash }
}

fn three_worlds() -> Vec<Run> {
    vec![
        run("bare", "bare metal", &[], 9_800),
        run("trap", "trap-and-emulate", &[(CR, 10), (PF, 21)], 9_800),
        run("pv", "paravirtual", &[(MMU, 10)], 9_800),
    ]
}

#[test]
fn the_parts_of_a_report_add_up() {
    for (name, _) in paravane_core::accounting::costs::PRESETS {
        let ledger = ledger(&[(CR, 10), (PF, 2), (MMU, 30)], 5000, 2000, 800);
        let costs = Costs::preset(name).unwrap();
        let report = LedgerReport::new(&ledger, &costs, &symbol);
        assert_eq!(report.shares.iter().map(|line| line.cycles).sum::<u64>(), report.cycles);
        assert_eq!(report.causes.iter().map(|line| line.exits).sum::<u64>(), report.exits);
        assert_eq!(report.causes.iter().map(|line| line.cycles).sum::<u64>(), report.exit_cycles);
        let of = |share: Share| ledger.cycles_of(share, &costs);
        assert_eq!(report.exit_cycles, of(Share::Hypervisor) + of(Share::Transition));
    }
}

#[test]
fn the_most_expensive_cause_comes_first() {
    let names: Vec<_> = report().causes.iter().map(|line| line.cause.name()).collect();
    assert_eq!(names, ["mmu_update", "mov to cr", "#PF"]);
}

#[test]
fn the_ledger_table_is_aligned_and_fits_100_columns() {
    let expected = "\
Exits by cause
cause       exits  cycles    time  hottest address
──────────────────────────────────────────────────────────
mmu_update     30  36,000  61.6 %  0x1000 switch_to, again
mov to cr      10  12,000  20.5 %  0x1000 switch_to, again
#PF             2   2,400   4.1 %  0x1000 switch_to, again
──────────────────────────────────────────────────────────
sum            42  50,400  86.3 %

Hypercalls
hypercall       number  calls  cycles  cycles each
──────────────────────────────────────────────────
xen mmu_update       1     30  36,000        1,200

Guest time
who           cycles     time
─────────────────────────────
guest user     2,000    3.4 %
guest kernel   5,200    8.9 %
hypervisor     8,400   14.4 %
transitions   42,000   71.9 %
idle             800    1.4 %
─────────────────────────────
sum           58,400  100.0 %
";
    let text = report().to_text();
    // The guest's kernel: 5,000 instructions and two CPUIDs of 100.
    assert_eq!(text, expected, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn an_empty_ledger_is_a_table_of_zeros() {
    let report = LedgerReport::new(&Ledger::default(), &teaching(), &symbol);
    assert_eq!((report.cycles, report.exits), (0, 0));
    assert!(report.to_text().contains("guest kernel       0  0.0 %"));
    assert_eq!(report.hypercall_table(), None);
}

#[test]
fn json_of_a_report_has_what_the_table_has() {
    let json = report().to_json();
    assert_eq!(json["cycles"], 58_400);
    assert_eq!(json["causes"][0]["hypercall"]["number"], 1);
    assert_eq!(json["causes"][1]["charged"]["dispatch"], 10);
    assert_eq!(json["causes"][1]["hottest"]["address"], "0x1000");
    assert_eq!(json["causes"][1]["hottest"]["exits"], 3);
    assert_eq!(json["shares"][4]["who"], "idle");
    let whole: f64 =
        json["shares"].as_array().unwrap().iter().map(|s| s["share"].as_f64().unwrap()).sum();
    assert!((whole - 1.0).abs() < 1e-12);
}

#[test]
fn csv_of_a_report_quotes_symbols() {
    let csv = report().to_csv();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("kind,name,exits,cycles,hottest_address,symbol"));
    assert_eq!(lines.next(), Some("cause,mmu_update,30,36000,0x1000,\"switch_to, again\""));
    assert_eq!(lines.next_back(), Some("share,idle,,800,,"));
}

#[test]
fn a_comparison_shows_worlds_side_by_side() {
    let text = Comparison::new("ctxswitch", three_worlds()).to_text();
    for line in [
        "guest time    10.00 us  47.20 us  22.00 us",
        "slowdown          1.0x      4.7x      2.2x",
        "console           same      same      same",
        "mov to cr      ·    10   ·",
        "sum            0    31  10",
        "Paravirtual needs 3.1x fewer exits and 2.1x fewer cycles than trap-and-emulate.",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn the_headline_holds_with_few_runs_and_without_exits() {
    let headline = |runs: Vec<Run>| Comparison::new("guest", runs).headline();
    let [bare, trap, pv] = <[Run; 3]>::try_from(three_worlds()).unwrap();
    let bare_alone = headline(vec![bare.clone()]);
    assert_eq!(bare_alone, "Bare metal took 10,000 cycles.");
    assert_eq!(
        headline(vec![bare.clone(), trap.clone()]),
        "Trap-and-emulate takes 4.7x the cycles of bare metal, with 31 exits."
    );
    assert_eq!(headline(Vec::new()), "Nothing was run.");
    assert!(headline(vec![bare.clone(), bare.clone()]).starts_with("There is nothing to compare"));
    assert_eq!(
        headline(vec![trap.clone(), trap.clone()]),
        "Compared with trap-and-emulate, trap-and-emulate needs just as many exits and just as many cycles."
    );
    let slower = Run { cycles: 100_000, ..pv };
    assert_eq!(
        headline(vec![bare, trap, slower]),
        "Trap-and-emulate needs 3.1x more exits and 2.1x fewer cycles than paravirtual."
    );
}

#[test]
fn no_time_is_no_division_by_zero() {
    let mut runs = three_worlds();
    for run in &mut runs {
        run.cycles = 0;
        run.hertz = 0;
    }
    let comparison = Comparison::new("guest", runs);
    assert!(comparison.to_text().contains('–'));
    assert!(comparison.to_json()["runs"][1]["slowdown"].is_null());
}

#[test]
fn another_console_or_preset_is_warned_of() {
    let mut runs = three_worlds();
    runs[1].console_hash = 8;
    runs[2].costs = Costs::preset("p4-2005").unwrap();
    let comparison = Comparison::new("guest", runs);
    let warnings = comparison.warnings();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].contains("world trap") && warnings[1].contains("presets"));
    assert!(comparison.to_text().contains("DIFFERS"));
    assert_eq!(
        comparison.headline(),
        "Paravirtual (p4-2005) takes 2.2x the cycles of bare metal (teaching), with 10 exits."
    );
}

#[test]
fn csv_of_a_comparison_has_one_number_per_line_and_adds_up() {
    let csv = Comparison::new("a,b", three_worlds()).to_csv();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("guest,world,preset,kind,name,value"));
    assert!(lines.clone().all(|line| line.starts_with("\"a,b\",")));
    let value = |line: &str| line.rsplit(',').next().unwrap().parse::<u64>().unwrap();
    let trap = lines.filter(|line| line.contains(",trap,")).collect::<Vec<_>>();
    let sum = |kind: &str| -> u64 {
        trap.iter()
            .filter(|line| line.contains(&format!(",teaching,{kind},")))
            .map(|line| value(line))
            .sum()
    };
    assert_eq!(sum("exits"), 31);
    assert_eq!(sum("cycles"), 47_200);
}

#[test]
fn json_of_a_comparison_names_runs_in_order() {
    let json = Comparison::new("guest", three_worlds()).to_json();
    let worlds: Vec<_> = json["runs"].as_array().unwrap().iter().map(|run| &run["world"]).collect();
    assert_eq!(worlds, ["bare", "trap", "pv"]);
    assert_eq!(json["runs"][1]["slowdown"], 4.72);
    assert_eq!(json["warnings"].as_array().unwrap().len(), 0);
}
