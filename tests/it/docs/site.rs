//! The pages as a site: every page is in its contents, and its pictures need nothing but themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{below, pages, read};

#[test]
fn every_page_is_in_the_contents_of_the_site_and_nothing_else_is() {
    let contents = read(&below("mkdocs.yml"));
    let (_, nav) = contents.split_once("\nnav:\n").unwrap();
    let listed: Vec<&str> = nav
        .split_whitespace()
        .filter(|word| Path::new(word).extension().is_some_and(|end| end == "md"))
        .collect();
    let named: BTreeSet<String> = listed.iter().map(|page| (*page).to_owned()).collect();
    assert_eq!(named.len(), listed.len(), "a page stands there twice");
    let mut there: BTreeSet<String> = pages()
        .iter()
        .filter(|page| page.parent().unwrap().ends_with("docs"))
        .map(|page| page.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    // It lies beside docs/, where people look for it; scripts/site/pages.py takes it along.
    there.insert("CHANGELOG.md".to_owned());
    assert_eq!(named, there);
}

#[test]
fn the_drawings_need_nothing_else_and_can_be_read_by_day_and_by_night() {
    let shown: String = pages().iter().map(|page| read(page)).collect();
    let drawn = fs::read_dir(below("docs/diagrams")).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        format!("diagrams/{}", name.to_str().unwrap())
    });
    let drawn: Vec<String> = drawn.chain(["benchmarks.svg".to_owned()]).collect();
    assert!(drawn.len() >= 5);
    for name in drawn {
        let drawing = read(&below("docs").join(&name));
        assert!(shown.contains(&format!("]({name})")), "{name} is in no page");
        // A page that shows it as a picture would leave out all of these.
        let drawing = drawing.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for outside in ["<script", "http:", "https:", "href", "@import", "<image", "foreignObject"] {
            assert!(!drawing.contains(outside), "{name} has {outside} in it");
        }
        for needed in ["<title", "prefers-color-scheme:dark", "class=\"page\""] {
            assert!(drawing.contains(needed), "{name} lacks {needed}");
        }
    }
}

/// The hook looks at each page that was built; what a script of the theme would fetch later is said here.
#[test]
fn the_site_fetches_nothing_from_elsewhere() {
    let settings = read(&below("mkdocs.yml"));
    // Without these: fonts of one company; a script for searching, from another.
    for needed in
        ["  font: false\n", "  polyfills: [assets/iframe-worker.js]\n", "hooks: [scripts/site/pages.py]\n"]
    {
        assert!(settings.contains(needed), "mkdocs.yml lacks {needed:?}");
    }
    assert!(!settings.contains("://"), "mkdocs.yml names another host");
    for file in ["main.html", "404.html", "assets/p2pc.css", "assets/logo.svg", "assets/iframe-worker.js"] {
        let text = read(&below("scripts/site").join(file)).replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://"), "{file} names another host");
    }
}

#[test]
fn what_builds_the_site_is_pinned() {
    for line in read(&below("docs/requirements.txt")).lines().filter(|line| !line.starts_with('#')) {
        assert!(
            line.split_once("==").is_some_and(|(name, version)| !name.is_empty() && !version.contains('*')),
            "{line}"
        );
    }
}
