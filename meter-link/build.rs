//! Lists the drivers beside `src/profile/mbus`, with what is needed to find the right one, so that
//! the program reads only the drivers of the meters that it hears.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[derive(serde::Deserialize)]
struct Head {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    detect: Vec<String>,
    #[serde(default)]
    compact: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("src/profile/mbus/drivers");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|it| it == "toml"));
    files.sort();
    let mut formats = Vec::new();
    let mut list = String::from("static BUILTIN: &[Builtin] = &[\n");
    for file in files {
        let text = fs::read_to_string(&file)?;
        let head: Head =
            toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        formats.extend(head.compact);
        writeln!(
            list,
            "    Builtin {{ id: {:?}, aliases: &{:?}, detect: &{:?}, source: include_str!({:?}) }},",
            head.id, head.aliases, head.detect, file
        )?;
    }
    list.push_str("];\n");
    writeln!(list, "static KNOWN_FORMATS: &[&str] = &{formats:?};")?;
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("mbus_drivers.rs"),
        list,
    )?;
    Ok(())
}
