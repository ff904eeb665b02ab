//! The picture and the page of a comparison.

#![cfg(feature = "charts")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use paravane_core::accounting::{Cause, Costs, Ledger, Primitive};
use paravane_core::charts::{html, svg};
use paravane_core::report::{Comparison, Run};
use paravane_cpu::{Sensitive, Vector};
use roxmltree::{Document, Node};

fn run(world: &str, title: &str, causes: &[(Cause, u64)]) -> Run {
    let costs = Costs::preset("teaching").unwrap();
    let mut ledger = Ledger::default();
    for (cause, exits) in causes {
        for _ in 0..*exits {
            ledger.exit(*cause, 0x1000);
        }
        for primitive in [Primitive::Exit, Primitive::Dispatch, Primitive::Entry] {
            ledger.charge(*cause, primitive, *exits);
        }
    }
    ledger.guest_kernel.instructions = 200_000;
    ledger.guest_user.instructions = 150_000;
    ledger.idle = 40_000;
    let cycles = ledger.cycles(&costs);
    let (world, title) = (world.into(), title.into());
    let (hertz, instructions, console_hash) = (1_000_000_000, 350_000, 7);
    Run { world, title, costs, ledger, cycles, hertz, instructions, console_hash }
}

fn comparison() -> Comparison {
    let instruction = Cause::Instruction;
    let trap = [
        (instruction(Sensitive::WriteControl), 300),
        (instruction(Sensitive::Cli), 120),
        (instruction(Sensitive::Sti), 120),
        (instruction(Sensitive::Out), 45),
        (Cause::HiddenPageFault, 260),
        (Cause::PageTableWrite, 90),
        (Cause::Exception(Vector::PageFault), 12),
        (Cause::ExternalInterrupt, 3),
    ];
    let hypercall = |number, name| Cause::Hypercall { personality: "xen", number, name };
    let pv = [
        (hypercall(1, "mmu_update"), 60),
        (hypercall(26, "mmuext_op"), 150),
        (hypercall(23, "iret"), 12),
        (Cause::Exception(Vector::PageFault), 12),
        (Cause::EventUpcall, 3),
    ];
    let runs = vec![
        run("bare", "bare metal", &[]),
        run("trap", "trap-and-emulate", &trap),
        run("pv", "paravirtual", &pv),
    ];
    Comparison::new("ctxswitch <&> \"quoted\" \u{1b}", runs)
}

fn texts(document: &Document<'_>) -> Vec<String> {
    let nodes = document.descendants().filter(|node| node.has_tag_name("text"));
    nodes.map(|node| node.text().unwrap_or_default().trim().to_owned()).collect()
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

#[test]
fn the_picture_is_well_formed_and_labels_everything() {
    let picture = svg(&comparison()).unwrap();
    if let Ok(folder) = std::env::var("PARAVANE_CHARTS") {
        std::fs::write(format!("{folder}/comparison.svg"), &picture).unwrap();
        std::fs::write(format!("{folder}/comparison.html"), html(&comparison()).unwrap()).unwrap();
    }
    let document = Document::parse(&picture).unwrap();
    let texts = texts(&document);
    for label in [
        "ctxswitch <&> \"quoted\" ?",
        "guest user",
        "transitions",
        "bare",
        "trap",
        "pv",
        "mov to cr",
        "hidden page fault",
        "mmu_update",
        "300",
    ] {
        assert!(texts.iter().any(|text| text == label), "{label} is not in {texts:?}");
    }
}

#[test]
fn everything_lies_within_the_picture() {
    let picture = svg(&comparison()).unwrap();
    let document = Document::parse(&picture).unwrap();
    let root = document.root_element();
    let (width, height) = (number(root, "width"), number(root, "height"));
    for node in document.descendants().filter(|node| node.has_tag_name("rect")) {
        assert!(number(node, "x") + number(node, "width") <= width);
        assert!(number(node, "y") + number(node, "height") <= height);
    }
    for node in document.descendants().filter(|node| node.has_tag_name("text")) {
        assert!((0.0..width).contains(&number(node, "x")));
        assert!((0.0..height).contains(&number(node, "y")));
    }
}

#[test]
fn the_picture_is_the_same_every_time() {
    assert_eq!(svg(&comparison()).unwrap(), svg(&comparison()).unwrap());
}

#[test]
fn empty_comparisons_have_pictures_too() {
    for runs in [Vec::new(), vec![run("bare", "bare metal", &[])]] {
        let picture = svg(&Comparison::new("guest", runs)).unwrap();
        assert!(Document::parse(&picture).is_ok());
    }
    let mut nothing = run("bare", "bare metal", &[]);
    (nothing.ledger, nothing.cycles) = (Ledger::default(), 0);
    assert!(svg(&Comparison::new("guest", vec![nothing])).is_ok());
}

#[test]
fn the_page_needs_nothing_but_itself_and_escapes_names() {
    let page = html(&comparison()).unwrap();
    assert!(
        page.contains("<h1>ctxswitch &lt;&amp;&gt; &quot;quoted&quot; ?: worlds compared</h1>")
    );
    assert!(page.contains("<svg ") && page.contains("<caption>Exits by cause</caption>"));
    assert!(page.contains("<p>Cost preset teaching: Round numbers for teaching"));
    for outside in ["<script", "<link", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}
