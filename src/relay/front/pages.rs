//! What the pages say: pure text, made from the address of the relay and what there is to fetch.

use super::address::PublicUrl;

/// Three lines for a person at a terminal.
#[must_use]
pub fn plain(at: &PublicUrl) -> String {
    let (url, relay) = (at.url(), at.relay());
    format!(
        "p2pc relay: files from one machine to another, end to end encrypted, where SSH cannot go\n\
         install:  curl -fsSL {url}/install.sh | sh\n\
         send:     p2pc send --relay {relay} FILE, and what it prints on the other machine\n"
    )
}

/// The same for a browser.
#[must_use]
pub fn html<'s>(at: &PublicUrl, sums: impl Iterator<Item = (&'static str, &'s str)>) -> String {
    let url = at.url();
    let link = |(target, sum): (&str, &str)| {
        format!("<li><a href=\"{url}/dl/{target}\">{target}</a>, SHA-256 <code>{sum}</code></li>\n")
    };
    let links: String = sums.map(link).collect();
    filled(include_str!("page.html"), at).replace("@LINKS@", links.trim_end())
}

/// The script that installs. What it does is in `install/common.sh`; a release has the same with another beginning.
#[must_use]
pub fn script<'s>(at: &PublicUrl, sums: impl Iterator<Item = (&'static str, &'s str)>) -> String {
    let sums: String = sums.map(|(target, sum)| format!("    {target}) echo {sum} ;;\n")).collect();
    let text = concat!(include_str!("install/relay.sh"), include_str!("install/common.sh"));
    filled(text, at).replace("@SUMS@\n", &sums)
}

fn filled(template: &str, at: &PublicUrl) -> String {
    template
        .replace("@URL@", &at.url())
        .replace("@RELAY@", &at.relay())
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn nothing_is_left_to_fill_in() {
        let at = PublicUrl::of_host("relay.example.org", true).unwrap();
        let one = || std::iter::once(("aarch64-unknown-linux-musl", SUM));
        for text in [
            plain(&at),
            html(&at, one()),
            script(&at, one()),
            html(&at, [].into_iter()),
            script(&at, [].into_iter()),
        ] {
            for mark in ["@URL@", "@RELAY@", "@SUMS@", "@LINKS@", "@VERSION@"] {
                assert!(!text.contains(mark), "{mark} in {text}");
            }
            assert!(text.contains("relay.example.org"));
        }
        assert_eq!(plain(&at).lines().count(), 3);
        assert!(script(&at, one()).contains(&format!("    aarch64-unknown-linux-musl) echo {SUM} ;;\n")));
        assert!(html(&at, one()).contains("/dl/aarch64-unknown-linux-musl\""));
    }
}
