//! The blocks of code in the pages. What `p2pc` is given in them is read by a test of `src/cli`, and those of the README are run
//! by `process/readme.rs`.

use super::page::blocks;
use super::{below, pages, read};

/// What a block may be. Another language wants a test of its own first.
const LANGUAGES: [&str; 8] = ["sh", "bash", "console", "text", "toml", "json", "rust", "rust,no_run"];

#[test]
fn every_block_says_what_it_is() {
    for page in pages() {
        for block in blocks(&read(&page)) {
            let known = LANGUAGES.contains(&block.language.as_str());
            assert!(known, "{}:{}: {:?}", page.display(), block.line, block.language);
        }
    }
}

#[test]
fn every_block_of_toml_is_toml() {
    for page in pages() {
        for block in blocks(&read(&page)).iter().filter(|block| block.language == "toml") {
            let read = toml::de::DeTable::parse(&block.text).map(drop);
            assert!(read.is_ok(), "{}:{}: {read:?}", page.display(), block.line);
        }
    }
}

/// One value in a line, as `--json` and the log of a relay have them.
#[test]
fn every_block_of_json_is_json() {
    for page in pages() {
        for block in blocks(&read(&page)).iter().filter(|block| block.language == "json") {
            for line in block.text.lines() {
                let read = serde_json::from_str::<serde_json::Value>(line);
                assert!(read.is_ok(), "{}:{}: {read:?}", page.display(), block.line);
            }
        }
    }
}

#[test]
fn every_page_with_rust_in_it_is_compiled() {
    let compiled = read(&below("src/lib.rs"));
    for page in pages() {
        if blocks(&read(&page)).iter().any(|block| block.language.starts_with("rust")) {
            let below = page.strip_prefix(below("")).unwrap().display().to_string();
            let included = format!("include_str!(\"../{}\")", below.trim_start_matches("./"));
            assert!(compiled.contains(&included), "src/lib.rs lacks {included}");
        }
    }
}

#[cfg(unix)]
#[test]
fn every_block_for_a_shell_is_one_that_a_shell_reads() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    let mut read_by_it = 0;
    for page in pages() {
        for block in blocks(&read(&page)) {
            let Some(script) = block.typed() else { continue };
            let shell = Command::new("sh").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
            let mut shell = shell.unwrap();
            shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            let said = shell.wait_with_output().unwrap();
            let error = String::from_utf8_lossy(&said.stderr);
            assert!(said.status.success(), "{}:{}: {error}", page.display(), block.line);
            read_by_it += 1;
        }
    }
    assert!(read_by_it >= 10, "{read_by_it} blocks: are they still found?");
}
