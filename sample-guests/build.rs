//! Lists the sample guests: every folder here that has a `guest.toml`.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), String> {
    let here = env::var("CARGO_MANIFEST_DIR").map_err(|error| error.to_string())?;
    let out = env::var("OUT_DIR").map_err(|error| error.to_string())?;
    watch(Path::new(&here));

    let mut list = String::from("&[\n");
    for name in guest_names(Path::new(&here))? {
        let elf = format!("{name}.elf");
        for file in ["guest.toml", "README.md", &elf, "expected.txt"] {
            let path = Path::new(&here).join(&name).join(file);
            if !path.is_file() {
                return Err(format!(
                    "sample guest `{name}` has no {file}. `make -C sample-guests` builds the ELF files, \
                     `sample-guests/record-expected.sh {name}` records expected.txt; README.md is written by hand."
                ));
            }
            watch(&path);
        }
        let file = |file: &str| format!("{:?}", Path::new(&here).join(&name).join(file));
        writeln!(
            list,
            "    SampleGuest {{ name: {name:?}, manifest: include_str!({}), readme: include_str!({}), \
             elf: include_bytes!({}), expected: include_str!({}) }},",
            file("guest.toml"),
            file("README.md"),
            file(&elf),
            file("expected.txt"),
        )
        .map_err(|error| error.to_string())?;
    }
    list.push(']');
    fs::write(Path::new(&out).join("guests.rs"), list)
        .map_err(|error| format!("cannot write the list of guests: {error}"))
}

/// The guests' folder names, sorted, so that every build lists them in the same order.
fn guest_names(here: &Path) -> Result<Vec<String>, String> {
    let cannot_read = |error| format!("cannot read {}: {error}", here.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(here).map_err(cannot_read)? {
        let entry = entry.map_err(cannot_read)?;
        if entry.path().join("guest.toml").is_file() {
            names.push(
                entry
                    .file_name()
                    .into_string()
                    .map_err(|name| format!("guest folder {name:?} is not UTF-8"))?,
            );
        }
    }
    names.sort();
    Ok(names)
}

#[allow(
    clippy::print_stdout,
    reason = "a build script speaks to Cargo through its standard output"
)]
fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
