//! `--module FILE[=NAME]`.

use std::path::Path;

use paravane_core::guest_image::Module;

use crate::choice::read_file;

/// What the argument says.
#[derive(Debug, PartialEq, Eq)]
pub struct ModuleFile<'a> {
    path: &'a str,
    /// What the guest shall call it.
    name: &'a str,
}

impl<'a> ModuleFile<'a> {
    /// Splits the argument at its last `=`, unless all of it is the name of a file. Without a
    /// name, the module has that of its file.
    pub fn parse(text: &'a str) -> Self {
        match text.rsplit_once('=') {
            Some((path, name)) if !Path::new(text).exists() => Self { path, name },
            _ => {
                let name = Path::new(text).file_name().and_then(|name| name.to_str());
                Self { path: text, name: name.unwrap_or(text) }
            }
        }
    }

    /// Reads the file.
    pub fn read(&self) -> anyhow::Result<Module> {
        Ok(Module { name: self.name.into(), bytes: read_file(self.path)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_stands_behind_the_last_equals_sign() {
        let cases = [
            ("boot/initrd.img", "boot/initrd.img", "initrd.img"),
            ("a.img=root disk", "a.img", "root disk"),
            ("a=b=c", "a=b", "c"),
            ("a.img=", "a.img", ""),
        ];
        for (text, path, name) in cases {
            assert_eq!(ModuleFile::parse(text), ModuleFile { path, name });
        }
    }
}
