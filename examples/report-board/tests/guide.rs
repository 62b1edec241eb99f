//! The part on Rust of `docs/INTEGRATIONS.md`: what it shows is this program, and its commands work.

use gna_testkit::guide::{Guide, blocks, free_port, have};
use std::path::Path;

const TEXT: &str = include_str!("../../../docs/INTEGRATIONS.md");

#[test]
fn the_guide_shows_this_program() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = blocks(TEXT);
    let shown: Vec<_> = all
        .iter()
        .filter_map(|block| Some((block.mark("same")?, block.text)))
        .chain(
            all.iter()
                .filter(|block| block.mark("file") == Some("apps/team-board.toml"))
                .map(|block| ("board.toml", block.text)),
        )
        .collect();
    assert_eq!(shown.len(), 3);
    for (file, text) in shown {
        let is = std::fs::read_to_string(here.join(file)).expect("is read");
        assert_eq!(
            text,
            is.trim_end(),
            "docs/INTEGRATIONS.md shows another {file}"
        );
    }
}

#[test]
fn a_program_of_ones_own_works_as_the_guide_says() {
    if !have(&["python3", "curl"]) {
        return;
    }
    let (files, rust) = TEXT
        .split_once("## As a program in Rust")
        .expect("a part on Rust");
    let shared = blocks(files)
        .into_iter()
        .filter(|block| block.marks.contains(&"both"));
    let all: Vec<_> = shared.chain(blocks(rust)).collect();
    assert!(all.len() > 8, "{} blocks", all.len());
    let folder = tempfile::tempdir().expect("a folder");
    let program = Path::new(env!("CARGO_BIN_EXE_board-gna"));
    let guide = Guide {
        folder: folder.path(),
        programs: program.parent().expect("a folder").to_owned(),
        instead: vec![
            ("127.0.0.1:8420", format!("127.0.0.1:{}", free_port())),
            ("8499", free_port().to_string()),
        ],
    };
    guide.run(&all).unwrap_or_else(|said| panic!("{said}"));
}
