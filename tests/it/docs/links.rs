//! Links lead somewhere, and pictures say what is in them to whoever cannot see them.

use std::path::{Path, PathBuf};

use super::page::prose;
use super::{below, pages, read};

/// What stands between `](` and `)` on a page, outside of its blocks of code; with the words, and whether they are a picture's.
struct Link {
    words: String,
    target: String,
    is_picture: bool,
}

#[test]
fn links_lead_somewhere() {
    let mut followed = 0;
    for page in pages() {
        for Link { target, .. } in links(&page) {
            let wrong = wrong(&page, &target);
            assert!(wrong.is_none(), "{}: {target} {}", page.display(), wrong.unwrap_or_default());
            followed += 1;
        }
    }
    assert!(followed > 100, "{followed} links: are they still found?");
}

/// What is wrong with a link, if anything is. Nothing is fetched: of another host only the address is looked at.
fn wrong(page: &Path, target: &str) -> Option<&'static str> {
    if target.contains(':') {
        return (!is_address(target)).then_some("is no address of a page on the web");
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let there: PathBuf =
        if file.is_empty() { page.to_path_buf() } else { page.with_file_name("").join(file) };
    if !there.exists() {
        return Some("is not there");
    }
    let headings = if anchor.is_empty() { String::new() } else { read(&there) };
    let known =
        anchor.is_empty() || prose(&headings).any(|line| line.starts_with('#') && slug(line) == anchor);
    (!known).then_some("has no such heading")
}

/// `https://`, a name with a dot, and no character that would have to be escaped.
fn is_address(target: &str) -> bool {
    let Some(rest) = target.strip_prefix("https://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let is_name =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    host.contains('.')
        && host.split('.').all(is_name)
        && rest.chars().all(|c| c.is_ascii_graphic() && !"<>\"\\`{}|".contains(c))
}

#[test]
fn pictures_are_described_to_whoever_cannot_see_them() {
    for page in pages() {
        for link in links(&page).into_iter().filter(|link| link.is_picture) {
            assert!(
                link.words.split(' ').count() > 5,
                "{}: {}: {:?}",
                page.display(),
                link.target,
                link.words
            );
        }
    }
}

#[test]
fn wrong_links_are_found() {
    let page = below("docs/index.md");
    for right in
        ["security.md", "security.md#what-a-code-is-worth", "#2-send", "../README.md", "https://toml.io/en/"]
    {
        assert_eq!(wrong(&page, right), None, "{right}");
    }
    let left = [
        "securty.md",
        "security.md#what-a-code-costs",
        "#sending",
        "http://toml.io",
        "https://toml",
        "https://to ml.io",
        "htps://toml.io",
    ];
    for broken in left {
        assert!(wrong(&page, broken).is_some(), "{broken}");
    }
}

fn links(page: &Path) -> Vec<Link> {
    let text: Vec<String> = prose(&read(page)).map(str::to_owned).collect();
    let text = text.join("\n");
    let ends = text.match_indices("](").map(|(at, _)| at);
    let link = |at: usize| {
        let target = text[at + 2..].split(')').next()?.to_owned();
        let (before, words) = text[..at].rsplit_once('[')?;
        Some(Link { words: words.to_owned(), target, is_picture: before.ends_with('!') })
    };
    ends.filter_map(link).collect()
}

/// The anchor of a heading, as code hosts make it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
