//! The page's languages: every text is in every catalogue, none is left over, and what is shown in
//! German is German.

mod pages;
mod texts;

use std::path::Path;

/// The crate's folder.
fn gateway() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
