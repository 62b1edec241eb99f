//! `docs/INTEGRATIONS.md`, as a reader would do it: its files and its commands up to the part on Rust,
//! which the example's own test does.

use gna_testkit::guide::{Guide, blocks, free_port, have};
use std::path::Path;

const TEXT: &str = include_str!("../../../../docs/INTEGRATIONS.md");

#[test]
fn an_app_and_a_recipe_of_files_work_as_the_guide_says() {
    if !have(&["python3", "curl"]) {
        return;
    }
    let (text, _) = TEXT
        .split_once("## As a program in Rust")
        .expect("a part on Rust");
    let all = blocks(text);
    assert!(all.len() > 14, "{} blocks", all.len());
    let folder = tempfile::tempdir().expect("a folder");
    let gna = Path::new(env!("CARGO_BIN_EXE_gna"));
    let guide = Guide {
        folder: folder.path(),
        programs: gna.parent().expect("a folder").to_owned(),
        instead: vec![
            ("127.0.0.1:8420", format!("127.0.0.1:{}", free_port())),
            ("8499", free_port().to_string()),
        ],
    };
    guide.run(&all).unwrap_or_else(|said| panic!("{said}"));
}
