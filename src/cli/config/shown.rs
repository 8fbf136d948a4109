//! `p2pc config`: what is in force for a transfer where nothing is typed, and where it comes from.

use std::ffi::{OsStr, OsString};

use super::args::ConfigArgs;
use super::keys::{self, KEYS, SECTIONS};
use super::place::{self, Place};
use super::{Entry, Settings};
use crate::cli::suggest::nearest;
use crate::cli::words::is_like_a_code;
use crate::net::RelayUrl;
use crate::net::proxy::ProxyEnv;
use crate::term::clean::{clean, columns_of};
use crate::term::json::Object;
use crate::{Error, Kind, Result};

/// What `p2pc config` prints, without a line end.
///
/// # Errors
///
/// [`Kind::Usage`]: the file is wrong, or what was asked for is nothing there is.
pub fn show(args: &ConfigArgs) -> Result<String> {
    let place = place::of_process();
    match args.words.as_slice() {
        [] => {}
        [word] if word.os() == "path" => {
            return place::described(place.as_ref()).map(|path| path.display().to_string());
        }
        [word, ..] => {
            let word = word.os().to_string_lossy();
            // A code is not repeated.
            let shown =
                if is_like_a_code(&word) { "word for that".to_owned() } else { clean(word.as_bytes()) };
            let error = Error::new(Kind::Usage, format!("p2pc config has no {shown}"));
            return Err(match nearest(&word, ["path"]) {
                Some(_) => error.hint("Did you mean `p2pc config path`?"),
                None => error.hint("It is `p2pc config`, or `p2pc config path`."),
            });
        }
    }
    let settings = Settings::of_process()?;
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let rows = rows(&settings, variable, &ProxyEnv::from_env());
    Ok(if args.json { in_json(&rows) } else { in_columns(&rows, &settings, place.as_ref()) })
}

/// One setting, as it is shown.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    value: String,
    source: Source,
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// Nobody said anything.
    Default,
    /// This variable.
    Variable(&'static str),
    /// This line of this file.
    File(String, usize),
}

fn rows(settings: &Settings, variable: impl Fn(&str) -> Option<OsString>, proxies: &ProxyEnv) -> Vec<Row> {
    let mut rows = Vec::new();
    for key in KEYS {
        let from_environment = match key.name {
            keys::RELAY => {
                variable("P2PC_RELAY").map(|relay| (relay_shown(&relay), Source::Variable("P2PC_RELAY")))
            }
            keys::TOKEN => {
                variable("P2PC_TOKEN").map(|_| (HIDDEN.to_owned(), Source::Variable("P2PC_TOKEN")))
            }
            _ => None,
        };
        let of = |entry: Option<&Entry>| match entry {
            Some(entry) if key.name == keys::TOKEN => (HIDDEN.to_owned(), settings.source(entry)),
            Some(entry) => (clean(entry.value.as_bytes()), settings.source(entry)),
            None => (key.default.to_owned(), Source::Default),
        };
        let row =
            |name: &str, (value, source): (String, Source)| Row { name: name.to_owned(), value, source };
        let sections: Vec<_> = SECTIONS.into_iter().filter(|topic| keys::has(*topic, key.name)).collect();
        let each: Vec<_> = sections.iter().map(|topic| of(settings.get(Some(*topic), key.name))).collect();
        match each.as_slice() {
            [first, others @ ..] if others.iter().any(|other| other != first) => {
                let named = sections.iter().zip(each);
                rows.extend(named.map(|(topic, one)| row(&format!("{}.{}", topic.name(), key.name), one)));
            }
            [one, ..] => rows.push(row(key.name, one.clone())),
            [] => {
                let value = from_environment.unwrap_or_else(|| of(settings.get(None, key.name)));
                rows.push(row(key.name, value));
            }
        }
    }
    if variable("P2PC_CODE").is_some() {
        let source = Source::Variable("P2PC_CODE");
        rows.push(Row { name: "code".to_owned(), value: HIDDEN.to_owned(), source });
    }
    let proxies = [
        ("HTTPS_PROXY", &proxies.https_proxy),
        ("ALL_PROXY", &proxies.all_proxy),
        ("NO_PROXY", &proxies.no_proxy),
    ];
    for (name, value) in proxies {
        let value = value.as_ref().map(|value| without_password(value));
        rows.extend(value.map(|value| Row {
            name: name.to_ascii_lowercase().replace('_', "-"),
            value,
            source: Source::Variable(name),
        }));
    }
    rows
}

impl Settings {
    fn source(&self, entry: &Entry) -> Source {
        Source::File(clean(self.path().as_os_str().as_encoded_bytes()), entry.line)
    }
}

fn in_columns(rows: &[Row], settings: &Settings, place: Option<&Place>) -> String {
    let names = rows.iter().map(|row| columns_of(&row.name)).max().unwrap_or_default();
    let values =
        rows.iter().map(|row| columns_of(&row.value)).max().unwrap_or_default().min(VALUE_COLUMNS_MAX);
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let source = match &row.source {
                Source::Default => "default".to_owned(),
                Source::Variable(name) => (*name).to_owned(),
                Source::File(path, line) => format!("{path}, line {line}"),
            };
            let (name_gap, value_gap) =
                (names - columns_of(&row.name) + GAP, values.saturating_sub(columns_of(&row.value)) + GAP);
            format!("{}{:name_gap$}{}{:value_gap$}{source}", row.name, "", row.value, "")
        })
        .collect();
    // A file that is not where somebody believes it is.
    if let Some(place) = place.filter(|_| settings.path().as_os_str().is_empty()) {
        lines.push(format!("There is no file {}.", clean(place.path.as_os_str().as_encoded_bytes())));
    }
    lines.join("\n")
}

fn in_json(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| {
        let mut object = Object::new();
        object.text("name", &row.name);
        object.text("value", &row.value);
        match &row.source {
            Source::Default => object.text("source", "default"),
            Source::Variable(name) => {
                object.text("source", "environment");
                object.text("variable", name);
            }
            Source::File(path, line) => {
                object.text("source", "file");
                object.text("file", path);
                object.value("line", line);
            }
        }
        object.end()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The address of a relay. A code in its place is a secret, and so is what may stand before the @ of an address.
fn relay_shown(value: &OsStr) -> String {
    let text = value.to_string_lossy();
    let is_secret = is_like_a_code(text.trim()) || (text.contains('@') && text.parse::<RelayUrl>().is_err());
    if is_secret { HIDDEN.to_owned() } else { clean(value.as_encoded_bytes()) }
}

/// The address of a proxy without the part that is nobody's business.
fn without_password(proxy: &str) -> String {
    let Some((before, host)) = proxy.rsplit_once('@') else { return clean(proxy.as_bytes()) };
    let scheme = before.split_once("://").map_or_else(String::new, |(scheme, _)| format!("{scheme}://"));
    clean(format!("{scheme}{HIDDEN}@{host}").as_bytes())
}

const HIDDEN: &str = "(hidden)";
/// Between two columns.
const GAP: usize = 2;
/// One long path must not push all sources out of sight.
const VALUE_COLUMNS_MAX: usize = 34;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::parse::parse;
    use super::*;

    #[test]
    fn each_setting_says_where_it_comes_from_and_secrets_say_nothing() {
        let text = "relay = \"r.example\"\ntoken = \"0123456789abcdef\"\nretry = \"1h\"\n[receive]\nretry = \"2h\"\n";
        let settings = parse(Path::new("/c.toml"), text, None).unwrap();
        let proxies = ProxyEnv { all_proxy: Some("http://me:hu@sh@p:1".into()), ..ProxyEnv::default() };
        let variable =
            |name: &str| ["P2PC_RELAY", "P2PC_CODE"].contains(&name).then(|| "other.example".into());
        let rows = rows(&settings, variable, &proxies);
        let found = |name: &str| {
            let row = rows.iter().find(|row| row.name == name).unwrap();
            (row.value.as_str(), row.source.clone())
        };
        let file = |line| Source::File("/c.toml".into(), line);
        assert_eq!(found("relay"), ("other.example", Source::Variable("P2PC_RELAY")));
        assert_eq!(found("token"), (HIDDEN, file(2)));
        assert_eq!(found("send.retry"), ("1h", file(3)));
        assert_eq!(found("receive.retry"), ("2h", file(5)));
        assert_eq!(found("lanes"), ("auto", Source::Default));
        assert_eq!(found("code"), (HIDDEN, Source::Variable("P2PC_CODE")));
        assert_eq!(found("all-proxy"), ("http://(hidden)@p:1", Source::Variable("ALL_PROXY")));
        for printed in [in_columns(&rows, &settings, None), in_json(&rows)] {
            assert!(
                !printed.contains("hu@") && !printed.contains("sh@") && !printed.contains("0123456789abcdef")
            );
        }
    }

    #[test]
    fn a_code_or_password_in_place_of_a_relay_is_hidden() {
        let settings = parse(Path::new("/c.toml"), "", None).unwrap();
        let printed = |relay: &str| {
            let variable = |name: &str| (name == "P2PC_RELAY").then(|| relay.into());
            let rows = rows(&settings, variable, &ProxyEnv::default());
            [in_columns(&rows, &settings, None), in_json(&rows)]
        };
        for relay in [
            "48213-acid-crane-otter@relay.example.com",
            "48213-acid-crane-otter",
            " 48213-acid-crane-otter",
            "wss://me:otter@relay.example.com",
        ] {
            for text in printed(relay) {
                assert!(text.contains(HIDDEN) && !text.contains("otter"), "{text}");
            }
        }
        for text in printed("relay.example.com/a@b") {
            assert!(text.contains("relay.example.com/a@b"), "{text}");
        }
    }

    #[test]
    fn one_long_value_does_not_push_the_sources_away() {
        let settings = parse(Path::new("/c.toml"), &format!("out = \"/{}\"", "x".repeat(200)), None).unwrap();
        let printed = in_columns(&rows(&settings, |_| None, &ProxyEnv::default()), &settings, None);
        let lanes = printed.lines().find(|line| line.starts_with("lanes")).unwrap();
        assert!(lanes.len() < 80 && lanes.ends_with("default"), "{lanes}");
    }
}
